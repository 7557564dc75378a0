import t from 'tap'
import { parseGroup, parsePasswd } from '../../src/ranges/accounts.js'
import {
  checkRoom,
  type HostFiles,
  type Other,
  othersOf,
  printOthers,
  userNamed,
  within,
} from '../../src/ranges/others.js'
import { BLOCK } from '../../src/ranges/range.js'
import { parseSubids } from '../../src/ranges/subids.js'

const host = ({ subuid = '', subgid = '', passwd = '', group = '' }): HostFiles => ({
  subuids: parseSubids(subuid, '/etc/subuid'),
  subgids: parseSubids(subgid, '/etc/subgid'),
  passwd: { path: '/etc/passwd', accounts: parsePasswd(passwd) },
  group: { path: '/etc/group', accounts: parseGroup(group) },
})
const others = (files: Parameters<typeof host>[0]) => {
  const read = host(files)
  return othersOf(read, userNamed('nri-userns', read))
}
const ids = (hostID: number, length: number) => ({ hostID, length })

t.test('the user and its uid', async (t) => {
  const files = host({ passwd: 'root:x:0:0:\npods:x:990:991:\n' })
  t.strictSame(userNamed('pods', files), { name: 'pods', uid: 990 })
  t.strictSame(userNamed('nobody', files), { name: 'nobody', uid: undefined })
})

t.test('who owns ids', async (t) => {
  const cases: [name: string, Parameters<typeof host>[0], Other[]][] = [
    ['nobody', {}, []],
    [
      'subordinate ids of another, uids and gids each for themselves',
      { subuid: 'a:100000:65536', subgid: '\n1000:200000:10' },
      [
        { owner: "a's subordinate uids 100000-165535 (/etc/subuid:1)", ranges: [ids(100000, 65536)] },
        { owner: "1000's subordinate gids 200000-200009 (/etc/subgid:2)", ranges: [ids(200000, 10)] },
      ],
    ],
    [
      'not our own, by name or uid',
      { subuid: 'nri-userns:65536:65536', subgid: '990:65536:65536', passwd: 'nri-userns:x:990:0:' },
      [
        {
          owner: 'the user nri-userns, uid 990 and gid 0 (/etc/passwd:1)',
          ranges: [ids(990, 1), ids(0, 1)],
        },
      ],
    ],
    [
      'as far as ids go, and no further',
      { subuid: 'a:4294900000:99999999999\nb:4294967296:5\nc:65536:0' },
      [
        {
          owner: "a's subordinate uids 4294900000-4294967295 (/etc/subuid:1)",
          ranges: [ids(4294900000, 67296)],
        },
      ],
    ],
    ['not a line that does not read', { subuid: 'a:65536' }, []],
    [
      'a user and its group, a group',
      { passwd: 'root:\na:x:70000:80000:', group: 'g:x:90000:' },
      [
        {
          owner: 'the user a, uid 70000 and gid 80000 (/etc/passwd:2)',
          ranges: [ids(70000, 1), ids(80000, 1)],
        },
        { owner: 'the group g, gid 90000 (/etc/group:1)', ranges: [ids(90000, 1)] },
      ],
    ],
    [
      'a user without a group',
      { passwd: 'a:x:70000' },
      [{ owner: 'the user a, uid 70000 (/etc/passwd:1)', ranges: [ids(70000, 1), ids(70000, 1)] }],
    ],
  ]
  for (const [name, files, expected] of cases) t.strictSame(others(files), expected, name)
})

const span = { firstID: 2 * BLOCK, count: 4 * BLOCK, idsPerPod: BLOCK }
const other = (owner: string, ...ranges: ReturnType<typeof ids>[]): Other => ({ owner, ranges })

t.test('within the span', async (t) => {
  const cases: [name: string, boolean, ...ReturnType<typeof ids>[]][] = [
    ['below', false, ids(0, 2 * BLOCK)],
    ['above', false, ids(6 * BLOCK, 1)],
    ['the first id', true, ids(2 * BLOCK, 1)],
    ['the last id', true, ids(6 * BLOCK - 1, 1)],
    ['all around', true, ids(0, 2 ** 32)],
    ['the second of two', true, ids(0, 1), ids(3 * BLOCK, 1)],
  ]
  for (const [name, isWithin, ...ranges] of cases)
    t.equal(within(span, [other(name, ...ranges)]).length, isWithin ? 1 : 0, name)
})

t.test('a sentence names the first five', async (t) => {
  const named = (count: number) => printOthers(Array.from({ length: count }, (_, i) => other(`o${i + 1}`)))
  t.equal(named(1), 'o1')
  t.equal(named(5), 'o1; o2; o3; o4; o5')
  t.equal(named(8), 'o1; o2; o3; o4; o5; and 3 more')
})

t.test('room for the pods', async (t) => {
  const cases: [name: string, podLimit: number, free: number, Other[]][] = [
    ['nobody else', 4, 4, []],
    ['one id takes a range', 4, 3, [other('a', ids(3 * BLOCK, 1))]],
    ['it may', 3, 3, [other('a', ids(3 * BLOCK, 1))]],
    ['two in the same range', 3, 3, [other('a', ids(3 * BLOCK, 1)), other('b', ids(3 * BLOCK + 1, 1))]],
    ['across a border', 3, 2, [other('a', ids(3 * BLOCK - 1, 2))]],
    ['everything', 1, 0, [other('a', ids(0, 2 ** 32))]],
    ['elsewhere', 4, 4, [other('a', ids(0, BLOCK))]],
  ]
  for (const [name, podLimit, free, list] of cases) {
    const check = () => checkRoom(span, podLimit, [other('below', ids(7, 1)), ...list])
    if (free >= podLimit) t.doesNotThrow(check, name)
    else {
      const message = `Of the 4 ranges of the ids 131072-393215 only ${free} are free, but podLimit is ${podLimit}: others own ids there, a. Move the span or the others' ids, make the span larger, or podLimit lower`
      t.throws(check, { message }, name)
    }
  }
})
