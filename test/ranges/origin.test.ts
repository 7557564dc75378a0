import t from 'tap'
import { parsePasswd } from '../../src/ranges/accounts.js'
import { type Origin, spanOf } from '../../src/ranges/origin.js'
import { parseSubids } from '../../src/ranges/subids.js'

const entry = 'pods:131072:131072\n'
const files = {
  subuids: parseSubids(entry, '/etc/subuid'),
  subgids: parseSubids(`990${entry.slice('pods'.length)}`, '/etc/subgid'),
  passwd: { path: '/etc/passwd', accounts: parsePasswd('pods:x:990:990:') },
  group: { path: '/etc/group', accounts: [] },
}
const keys = { idsPerPod: 65536, podLimit: 2, user: 'pods' }

t.test('each source', async (t) => {
  const cases: [Origin, firstID: number, count: number][] = [
    [{ ...keys, from: 'explicit', firstID: 65536, count: 196608 }, 65536, 196608],
    [{ ...keys, from: 'subids' }, 131072, 131072],
    [{ ...keys, from: 'rest' }, 65536, 65534 * 65536],
    // 2^32 - 65536 isn't a multiple of it: the end is left over.
    [{ ...keys, from: 'rest', idsPerPod: 1048576 }, 1048576, 4094 * 1048576],
  ]
  for (const [origin, firstID, count] of cases)
    t.strictSame(spanOf(origin, files), { firstID, count, idsPerPod: origin.idsPerPod }, origin.from)
})

t.test('a user without entries', async (t) => {
  const origin: Origin = { ...keys, from: 'subids', user: 'nobody' }
  t.throws(() => spanOf(origin, files), {
    message: /^\/etc\/subuid: there is no entry of nobody: add a line /,
  })
})
