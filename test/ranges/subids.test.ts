import t from 'tap'
import { isOwn, parseSubids, type SubidUser, subidSpan } from '../../src/ranges/subids.js'

const USER: SubidUser = { name: 'nri-userns', uid: 990 }

// What getsubids of shadow-utils 4.13 says of these lines, asked for each owner.
t.test('lines as shadow-utils reads them', async (t) => {
  const cases: [name: string, line: string, owner?: string, hostID?: number, length?: number][] = [
    ['plain', 'a:65536:131072', 'a', 65536, 131072],
    ['a uid', '1000:2000000:65536', '1000', 2000000, 65536],
    ['a uid with a zero, which is another text', '01000:4000000:65536', '01000', 4000000, 65536],
    ['hexadecimal', 'a:0x30000:65536', 'a', 196608, 65536],
    ['octal', 'a:0300000:65536', 'a', 98304, 65536],
    ['a blank before a number', 'a: 65536:\t65536', 'a', 65536, 65536],
    ['a plus', 'a:+65536:65536', 'a', 65536, 65536],
    ['more fields', 'a:65536:65536:more', 'a', 65536, 65536],
    ['a colon at the end', 'a:65536:65536:', 'a', 65536, 65536],
    ['none', 'a:65536:0', 'a', 65536, 0],
    ['from 0', 'a:0:1', 'a', 0, 1],
    ['beyond 32 bits', 'a:99999999999:65536', 'a', 99999999999, 65536],
    ['blanks before the owner', '  a:65536:65536', '  a', 65536, 65536],
    ['a blank in the owner', 'a b:65536:65536', 'a b', 65536, 65536],
    ['nothing', ''],
    ['blanks', ' \t'],
    ['no owner', ':65536:65536'],
    ['a comment, whose owner nobody can be', '#a:5:5'],
    ['a comment without numbers', '# a'],
    ['a blank behind', 'a:65536:65536 ', 'a'],
    ['a carriage return', 'a:65536:65536\r', 'a'],
    ['no count', 'a:65536:', 'a'],
    ['two fields', 'a:65536', 'a'],
    ['one field', 'a', 'a'],
    ['no octal', 'a:08:65536', 'a'],
    ['no hexadecimal', 'a:65536:0x', 'a'],
    ['letters', 'a:x:65536', 'a'],
    ['a fraction', 'a:65536.5:65536', 'a'],
  ]
  for (const [name, line, owner, hostID, length] of cases) {
    const isEntry = hostID !== undefined && length !== undefined
    const expected = {
      path: '/etc/subuid',
      entries: isEntry ? [{ owner, line: 2, hostID, length }] : [],
      unreadable: owner !== undefined && !isEntry ? [{ owner, line: 2 }] : [],
    }
    t.strictSame(parseSubids(`\n${line}\n`, '/etc/subuid'), expected, name)
    t.strictSame(parseSubids(`\n${line}`, '/etc/subuid'), expected, `${name}, at the end of the file`)
  }
})

t.test('whose entry it is', async (t) => {
  const cases: [owner: string, SubidUser, boolean][] = [
    ['nri-userns', USER, true],
    ['990', USER, true],
    ['0990', USER, false],
    ['nri', USER, false],
    ['undefined', { name: 'nri-userns', uid: undefined }, false],
    ['nri-userns', { name: 'nri-userns', uid: undefined }, true],
  ]
  for (const [owner, user, expected] of cases) t.equal(isOwn({ owner }, user), expected, owner)
})

const span = (subuid: string, subgid = subuid, idsPerPod = 65536) =>
  subidSpan({ uids: parseSubids(subuid, '/etc/subuid'), gids: parseSubids(subgid, '/etc/subgid') }, USER, {
    idsPerPod,
    podLimit: 2,
  })

t.test('entries that can be used', async (t) => {
  const expected = { firstID: 196608, count: 131072, idsPerPod: 65536 }
  const cases: [name: string, subuid: string, subgid?: string][] = [
    ['alone', 'nri-userns:196608:131072'],
    ['among others', '# ids\n\npodman:100000:65536\nnri-userns:196608:131072\nx:1:2\n'],
    ['by uid', '990:196608:131072\n'],
    ['by name in one and uid in the other, elsewhere', 'nri-userns:196608:131072', '\n990:0x30000:131072'],
    ["beside others' that don't read", 'podman:100000\nnri-userns:196608:131072\n'],
    ['beside one that is commented out', '#nri-userns:65536:65536\nnri-userns:196608:131072\n'],
  ]
  for (const [name, subuid, subgid] of cases) t.strictSame(span(subuid, subgid), expected, name)
  t.strictSame(span('nri-userns:262144:393216', undefined, 131072), {
    firstID: 262144,
    count: 393216,
    idsPerPod: 131072,
  })
})

t.test('entries that can not', async (t) => {
  const good = 'nri-userns:65536:131072'
  const absent = (path: string) =>
    `${path}: there is no entry of nri-userns: add a line nri-userns:FIRST:COUNT, COUNT being 131072 or more, or take the ids from elsewhere with ranges.from`
  const cases: [name: string, subuid: string, subgid: string, message: string][] = [
    ['no uids', '', good, absent('/etc/subuid')],
    ['no gids', good, 'podman:65536:131072', absent('/etc/subgid')],
    ['a comment', `# ${good}`, good, absent('/etc/subuid')],
    [
      'two of uids',
      `x:1:1\n${good}\n\nnri-userns:196608:131072`,
      good,
      '/etc/subuid:4: a second entry of nri-userns, after that of line 2: make one of them, in one piece',
    ],
    [
      'two of gids, by name and by uid, the same',
      good,
      `${good}\n990:65536:131072`,
      '/etc/subgid:2: a second entry of nri-userns, after that of line 1: make one of them, in one piece',
    ],
    [
      'one that does not read, beside a good one',
      `${good}\nnri-userns:65536:131072 # pods`,
      good,
      "/etc/subuid:2: the entry of nri-userns can't be read: write it as nri-userns:FIRST:COUNT, two numbers, with nothing behind",
    ],
    [
      'another first id',
      good,
      `\nnri-userns:196608:131072`,
      '/etc/subgid:2: the entry of nri-userns is nri-userns:196608:131072, but nri-userns:65536:131072 in /etc/subuid:1: make them the same',
    ],
    [
      'another count',
      good,
      '990:65536:196608',
      '/etc/subgid:1: the entry of nri-userns is 990:65536:196608, but nri-userns:65536:131072 in /etc/subuid:1: make them the same',
    ],
    ...(
      [
        ['100000:131072', 'the first id is 100000, but must be a multiple of idsPerPod (65536)'],
        ['0:131072', 'the first id is 0, but must be 65536 or more: ids 0-65535 belong to the host'],
        ['65536:131073', 'the count is 131073, but must be a multiple of idsPerPod (65536) and not 0'],
        ['65536:0', 'the count is 0, but must be a multiple of idsPerPod (65536) and not 0'],
        [
          '65536:65536',
          'the count is 65536, room for 1 pods of 65536 ids, but podLimit is 2: the count must be 131072 or more, or podLimit lower',
        ],
        [
          '4294836224:131072',
          "the span 4294836224-4294967295 reaches into ids 4294901760-4294967295, the last of which is the kernel's invalid id: the first id and the count must add up to 4294901760 or less",
        ],
      ] as const
    ).map(([numbers, reason]): [string, string, string, string] => [
      numbers,
      `\nnri-userns:${numbers}`,
      `nri-userns:${numbers}`,
      `/etc/subuid:2: the entry nri-userns:${numbers}: ${reason}. Change it here and in /etc/subgid:1`,
    ]),
  ]
  for (const [name, subuid, subgid, message] of cases) t.throws(() => span(subuid, subgid), { message }, name)
})
