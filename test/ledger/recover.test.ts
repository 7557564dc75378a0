import t from 'tap'
import { recover } from '../../src/ledger/recover.js'
import type { StoredPod } from '../../src/ledger/store.js'
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
      /^\/state\/pods\/b\/userns of pod b: its range 262144-327679 is that of pod a too \(\/state\/pods\/a\/userns\)\. .* move it away/,
  })
})
