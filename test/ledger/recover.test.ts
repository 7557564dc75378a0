import t from 'tap'
import { recover } from '../../src/ledger/recover.js'
import type { StoredPod } from '../../src/ledger/store.js'
import { BLOCK } from '../../src/ranges/range.js'
import { printRecord } from '../../src/ranges/record.js'
import { nth, recordOf, spanOf } from './scratch.js'

const since = new Date('2024-06-07T08:09:10Z')
const stored = (podUID: string, text: string | undefined, ...ids: string[]): StoredPod => ({
  podUID,
  text,
  since: text === undefined ? undefined : since,
  sandboxes: ids.map((id) => ({ id, bundle: `/${id}` })),
})
const run = (...pods: StoredPod[]) => recover(pods, spanOf(10), (podUID) => `/state/pods/${podUID}/userns`)

t.test('entries', async (t) => {
  const entries = run(
    stored('a', recordOf(3), 's1', 's2'),
    stored('empty', '', 's3'),
    stored('without', undefined, 's4'),
    stored('b', recordOf(0)),
  )
  const sandboxes = new Map([
    ['s1', { id: 's1', bundle: '/s1', confirmed: false }],
    ['s2', { id: 's2', bundle: '/s2', confirmed: false }],
  ])
  t.same(entries, [
    { podUID: 'a', range: nth(3), since, sandboxes },
    { podUID: 'b', range: nth(0), since, sandboxes: new Map() },
  ])
})

t.test('refusals name file, reason and the way out', async (t) => {
  t.throws(() => run(stored('a', recordOf(3)), stored('b', recordOf(10))), {
    message:
      /^\/state\/pods\/b\/userns: the range .* lies outside the configured span .*: move it away once no process/,
  })
  t.throws(() => run(stored('a', recordOf(3)), stored('b', recordOf(3))), {
    message:
      /^\/state\/pods\/b\/userns of pod b: ids of its range 262144-327679 are those of pod a too \(\/state\/pods\/a\/userns\)\. .* move it away/,
  })
  const long = printRecord({ hostID: 2 * BLOCK, length: 2 * BLOCK })
  t.throws(() => run(stored('a', long), stored('b', recordOf(2))), {
    message: /^\/state\/pods\/b\/userns of pod b: .* 196608-262143 are those of pod a too/,
  })
})

t.test('records of several lengths', async (t) => {
  const long = { hostID: 4 * BLOCK, length: 4 * BLOCK }
  const entries = run(stored('a', printRecord(long)), stored('b', recordOf(2)), stored('c', recordOf(7)))
  t.same(
    entries.map(({ range }) => range),
    [long, nth(2), nth(7)],
  )
})
