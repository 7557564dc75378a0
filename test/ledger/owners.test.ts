import t from 'tap'
import type { PodEntry } from '../../src/ledger/entry.js'
import { Owners } from '../../src/ledger/owners.js'
import { BLOCK } from '../../src/ranges/range.js'
import { nth, spanOf } from './scratch.js'

const entry = (podUID: string, n: number, ...ids: string[]): PodEntry => ({
  podUID,
  range: nth(n),
  since: new Date(0),
  sandboxes: new Map(ids.map((id) => [id, { id, bundle: `/${id}`, confirmed: false }])),
})

t.test('limit', async (t) => {
  const owners = new Owners(spanOf(3), 2)
  const range = owners.allocate('a', {})
  owners.allocate('b', {})
  const refused = {
    name: 'PodLimitError',
    message: /^pod default\/web \(c\) gets no id range: the limit of 2 pods per node is reached/,
  }
  t.throws(() => owners.allocate('c', { namespace: 'default', name: 'web' }), refused)
  t.same(owners.usage, { total: 3, used: 2, avoided: 0, free: 1, pods: 2, limit: 2 })
  owners.free(range)
  t.same(owners.allocate('c', {}), nth(2))
})

t.test('exhausted', async (t) => {
  const owners = new Owners(spanOf(3), 3)
  owners.avoid('others', [nth(1)])
  owners.allocate('a', {})
  owners.allocate('b', {})
  t.throws(() => owners.allocate('c', {}), {
    name: 'SpaceExhaustedError',
    message: /^pod c gets no id range: all 3 blocks .* 2 by pods and 1 avoided/,
  })
})

t.test('lengths', async (t) => {
  const owners = new Owners(spanOf(5), 2)
  t.same(owners.allocate('a', {}, 2 * BLOCK), { hostID: 2 * BLOCK, length: 2 * BLOCK })
  t.same(owners.allocate('b', {}), nth(0), 'the limit is one of pods, not of blocks')
  t.same(owners.usage, { total: 5, used: 3, avoided: 0, free: 2, pods: 2, limit: 2 })
  owners.free(nth(0))
  t.throws(() => owners.allocate('c', {}, 3 * BLOCK), {
    name: 'SpaceExhaustedError',
    message:
      /^pod c gets no id range: no 196608 ids are free in one piece that begins at a multiple of 196608\. Of the 5 blocks of 65536 ids .* 3 are free .* 2 by pods and 0 avoided/,
  })
  t.same(owners.usage.pods, 1, 'nothing is left of it')
  owners.free({ hostID: 2 * BLOCK, length: 2 * BLOCK })
  t.same(owners.usage, { total: 5, used: 0, avoided: 0, free: 5, pods: 0, limit: 2 })
})

t.test('who touches any block of a long range touches its pod, once', async (t) => {
  const owners = new Owners(spanOf(8), 4)
  const long = { ...entry('a', 0), range: { hostID: 4 * BLOCK, length: 4 * BLOCK } }
  owners.adopt(long)
  t.same(owners.avoid('last', [{ hostID: 8 * BLOCK - 1, length: 5 }]), [long])
  t.same(owners.avoid('all', [{ hostID: 0, length: 2 ** 31 }]), [long])
  t.same(owners.usage, { total: 8, used: 4, avoided: 4, free: 0, pods: 1, limit: 4 })
  owners.stopAvoiding('all')
  owners.delete(long)
  t.same(owners.usage, { total: 8, used: 0, avoided: 2, free: 6, pods: 0, limit: 4 }, 'last has two')
})

t.test('avoided ranges', async (t) => {
  const owners = new Owners(spanOf(4), 4)
  owners.adopt(entry('a', 1))
  t.same(
    owners.avoid('podman', [{ hostID: 100000, length: BLOCK }]),
    [entry('a', 1)],
    'touches 0 and 1, which is ours',
  )
  t.same(
    owners.avoid('docker', [
      nth(0),
      { hostID: 0, length: BLOCK },
      { hostID: 4 * BLOCK + 5, length: 2 ** 31 },
    ]),
    [],
  )
  t.same(owners.claims('passing'), ['podman', 'docker'])
  t.same(owners.usage, { total: 4, used: 1, avoided: 2, free: 1, pods: 1, limit: 4 })

  owners.delete(entry('a', 1))
  t.same(owners.usage, { total: 4, used: 0, avoided: 3, free: 1, pods: 0, limit: 4 }, 'still claimed')
  owners.stopAvoiding('podman')
  owners.stopAvoiding('podman')
  owners.stopAvoiding('nobody')
  t.same(
    owners.usage,
    { total: 4, used: 0, avoided: 2, free: 2, pods: 0, limit: 4 },
    'docker keeps the one they shared',
  )
  owners.stopAvoiding('docker')
  t.equal(owners.usage.free, 4)
})

t.test('a claim of a range that a pod owns ends before the pod', async (t) => {
  const owners = new Owners(spanOf(1), 1)
  owners.adopt(entry('a', 0))
  owners.avoid('claim', [nth(0)])
  owners.stopAvoiding('claim')
  t.same(owners.usage, { total: 1, used: 1, avoided: 0, free: 0, pods: 1, limit: 1 })
  owners.delete(entry('a', 0))
  t.equal(owners.usage.free, 1)
})

t.test('a claim said again replaces what it was', async (t) => {
  const owners = new Owners(spanOf(3), 3)
  owners.avoid('claim', [nth(0), nth(0), nth(1)])
  owners.avoid('claim', [nth(1)])
  t.same(owners.usage, { total: 3, used: 0, avoided: 1, free: 2, pods: 0, limit: 3 })
  owners.stopAvoiding('claim')
  t.equal(owners.usage.free, 3)
})

t.test('claims by their kind', async (t) => {
  const owners = new Owners(spanOf(3), 3)
  owners.avoid('lives', [nth(0)])
  owners.avoid('owns', [nth(1)], 'standing')
  t.strictSame(owners.claims('passing'), ['lives'])
  t.strictSame(owners.claims('standing'), ['owns'])
  t.equal(owners.usage.avoided, 2)
})

t.test('sandboxes', async (t) => {
  const owners = new Owners(spanOf(3), 3)
  owners.adopt(entry('a', 0, 's1', 's2'))
  owners.reserve('s3', 'b')
  t.equal(owners.podUIDOf('s3'), 'b')
  t.throws(() => owners.reserve('s1', 'b'), {
    message: /^sandbox s1 of pod b is recorded as one of pod a already$/,
  })
  owners.unreserve('s3', 'b')
  owners.unreserve('s1', 'a')
  t.equal(owners.podUIDOf('s3'), undefined)
  t.equal(owners.podUIDOf('s1'), 'a', 'recorded')
  owners.set(entry('a', 0, 's2'))
  t.equal(owners.podUIDOf('s1'), undefined)
  owners.delete(entry('a', 0, 's2'))
  t.equal(owners.podUIDOf('s2'), undefined)
})
