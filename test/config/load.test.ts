import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, DEFAULT_CONFIG_FILE, loadConfig, parseConfig } from '../../src/config/load.js'
import { defaultConfig } from '../../src/config/schema.js'

/** The problems of the text, without the name of the file. */
function problemsOf(text: string): string[] {
  try {
    parseConfig(text, 'config.yaml')
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((line) => line.replace(/^config\.yaml:/, ''))
  }
}

t.test('texts that mean the defaults', async (t) => {
  const texts = [
    '',
    '# nothing\n',
    '---\n...\n',
    '{}',
    '~',
    'log:\n',
    'log:\n  # level: debug\nnri: ~\n',
    'enabled:',
  ]
  for (const text of texts) t.same(parseConfig(text, 'config.yaml'), defaultConfig, JSON.stringify(text))
})

t.test('what is given replaces the default beside it, and only that', async (t) => {
  const text =
    'enabled: false\nranges: { firstID: 0x10000, count: 131072, podLimit: 2 }\nlog:\n  level: debug\n'
  t.same(parseConfig(text, 'config.yaml'), {
    ...defaultConfig,
    enabled: false,
    ranges: {
      from: 'explicit',
      firstID: 65536,
      count: 131072,
      idsPerPod: 65536,
      podLimit: 2,
      user: 'nri-userns',
      kubeletPods: '/var/lib/kubelet/pods',
    },
    log: { level: 'debug', format: 'auto' },
  })
})

t.test('ids from elsewhere', async (t) => {
  const { ranges } = parseConfig('ranges: { from: subids, user: pods }', 'config.yaml')
  const keys = { idsPerPod: 65536, podLimit: 1024, kubeletPods: '/var/lib/kubelet/pods' }
  t.strictSame({ ...ranges }, { ...keys, from: 'subids', user: 'pods' })
  const rest = parseConfig('ranges: { from: rest, firstID: ~, podLimit: 65534 }', 'config.yaml')
  t.strictSame({ ...rest.ranges }, { ...keys, from: 'rest', user: 'nri-userns', podLimit: 65534 })
})

t.test('sockets lie in the run directory, unless they are given', async (t) => {
  const config = parseConfig('runDirectory: /run/other\nadmin:\n  socket: /tmp/a.sock', 'config.yaml')
  t.equal(config.shim.socket, '/run/other/shim.sock')
  t.equal(config.admin.socket, '/tmp/a.sock')
})

const keys = 'enabled, ranges, network, volumes, stateDirectory, runDirectory, shim, admin, nri, log'
const bad: [name: string, text: string, problems: string[]][] = [
  ['a slip in a key', 'enable: true', ['1:1: unknown key "enable"; did you mean "enabled"?']],
  [
    'a slip in a key of a section',
    'log:\n  level: info\nranges:\n  # more\n  podLimits: 3',
    ['5:3: unknown key "podLimits" in ranges; did you mean "podLimit"?'],
  ],
  [
    'another case of letters',
    'ranges: {firstid: 131072}',
    ['1:10: unknown key "firstid" in ranges; did you mean "firstID"?'],
  ],
  ['a key of nobody without a value', 'logs:', ['1:1: unknown key "logs"; did you mean "log"?']],
  ['another word', 'colour: red', [`1:1: unknown key "colour"; the keys are ${keys}`]],
  ['a key of nobody', '__proto__: 1', [`1:1: unknown key "__proto__"; the keys are ${keys}`]],
  ['a number for a key', '1: 2', [`1:1: unknown key "1"; the keys are ${keys}`]],
  ['a list for a key', '? [a]\n: 2', [`1:1: unknown key "[ a ]"; the keys are ${keys}`]],
  ['a word for a switch', 'enabled: yes', ['1:10: enabled: expected true or false, found the text "yes"']],
  ['a list at the root', '- enabled', ['1:1: expected a map of keys and values, found a list']],
  ['a word at the root', '\n\nenabled', ['3:1: expected a map of keys and values, found the text "enabled"']],
  ['a list for a section', 'log: [info]', ['1:6: log: expected a map of keys and values, found a list']],
  [
    'a word for a section',
    'log: info',
    ['1:6: log: expected a map of keys and values, found the text "info"'],
  ],
  [
    'a level that is none',
    'log:\n  level: loud',
    ['2:10: log.level: expected one of debug, info, warn, error, found the text "loud"'],
  ],
  [
    'a number that is text',
    "ranges:\n  firstID: '65536'",
    ['2:12: ranges.firstID: expected a whole number of ids, 0 to 4294967295, found the text "65536"'],
  ],
  ...[
    ['1.5', '1.5'],
    ['-1', '-1'],
    ['4294967296', '4294967296'],
    ['1e300', '1e+300'],
    ['.nan', 'NaN'],
    ['-.inf', '-Infinity'],
  ].map(([written, read]): [string, string, string[]] => [
    `the number ${written}`,
    `ranges:
  count: ${written}`,
    [`2:10: ranges.count: expected a whole number of ids, 0 to 4294967295, found ${read}`],
  ]),
  [
    'an index without quotes',
    'nri:\n  index: 10',
    ["2:10: nri.index: expected two digits in quotes, such as '10', found 10"],
  ],
  [
    'a relative path',
    'stateDirectory: var/lib',
    ['1:17: stateDirectory: expected an absolute path of at most 3000 bytes, found the text "var/lib"'],
  ],
  [
    'a path with a byte that none can have',
    'stateDirectory: "/var\\0/lib"',
    [
      '1:17: stateDirectory: expected an absolute path of at most 3000 bytes, found the text "/var\\u0000/lib"',
    ],
  ],
  [
    'a socket path that the kernel would refuse',
    `nri:\n  socket: /${'é'.repeat(54)}`,
    [`2:11: nri.socket: expected an absolute path of at most 107 bytes, found the text "/${'é'.repeat(54)}"`],
  ],
  [
    'a run directory too deep for its sockets',
    `runDirectory: /${'d'.repeat(96)}`,
    [
      `1:15: runDirectory: expected an absolute path of at most 96 bytes, found the text "/${'d'.repeat(59)}..."`,
    ],
  ],
  [
    'a span that is none',
    'enabled: true\nranges:\n  firstID: 65537',
    ['2:1: ranges: firstID is 65537, but must be a multiple of idsPerPod (65536)'],
  ],
  [
    'a span without room',
    'ranges: { count: 65536 }',
    [
      '1:1: ranges: count is 65536, room for 1 pods of 65536 ids, but podLimit is 1024: count must be 67108864 or more, or podLimit lower',
    ],
  ],
  [
    'a source of ids that is none',
    'ranges: { from: etc }',
    ['1:17: ranges.from: expected one of explicit, subids, rest, found the text "etc"'],
  ],
  [
    'ids beside a source of ids',
    'ranges:\n  firstID: 131072\n  from: subids\n  user: pods\n  count: 65536',
    [
      '2:12: ranges.firstID: expected no firstID beside from: subids, which takes the ids of pods in /etc/subuid (remove firstID, or say from: explicit), found 131072',
      '5:10: ranges.count: expected no count beside from: subids, which takes the ids of pods in /etc/subuid (remove count, or say from: explicit), found 65536',
    ],
  ],
  [
    'ids beside all that are free',
    'ranges: { from: rest, count: 65536 }',
    [
      '1:30: ranges.count: expected no count beside from: rest, which takes every id that is free (remove count, or say from: explicit), found 65536',
    ],
  ],
  [
    'more pods than a host has ids for',
    'ranges: { from: rest, podLimit: 65535 }',
    [
      '1:1: ranges: podLimit is 65535, but a host has ids for 65534 pods of 65536 ids: podLimit or idsPerPod must be lower',
    ],
  ],
  [
    'ids per pod that no source has',
    'ranges: { from: subids, idsPerPod: 0 }',
    ['1:1: ranges: idsPerPod is 0, but must be a multiple of 65536 and not 0'],
  ],
  [
    'ids per pod that are half of all',
    'ranges: { from: rest, podLimit: 1, idsPerPod: 2147483648 }',
    [
      '1:1: ranges: podLimit is 1, but a host has ids for 0 pods of 2147483648 ids: podLimit or idsPerPod must be lower',
    ],
  ],
  ...['kubelet', "'#pods'", "'a:b'", "''", 'a b', '1000'].map((user): [string, string, string[]] => [
    `the user ${user}`,
    `ranges: { user: ${user} }`,
    [
      `1:17: ranges.user: expected the login name of a user other than kubelet, in quotes where it looks like a number, found ${user === '1000' ? user : `the text "${user.replaceAll("'", '')}"`}`,
    ],
  ]),
  ['a key twice', 'log:\n  level: info\n  level: info', ['3:3: key "level" is given twice']],
  [
    'an alias',
    'shim: &x\n  socket: /a\nadmin: *x',
    ['3:8: the alias *x is not supported: write the value out'],
  ],
  ['an endless alias', 'log: &x [*x]', ['1:10: the alias *x is not supported: write the value out']],
  ['an unknown tag', 'enabled: !maybe true', ['1:10: Unresolved tag: !maybe']],
  ['a tab', 'log:\n\tlevel: info', ['2:1: Tabs are not allowed as indentation']],
  [
    'an open list',
    'log: [',
    ['1:7: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  ],
  [
    'a second document',
    'enabled: true\n---\nenabled: false',
    ['2:1: a second document begins here, but a config is one'],
  ],
  [
    'everything at once, in the order of the file',
    'log:\n  level: 7\nenabled: 1\nlogs: {}\nnri:\n  index: 5\n  indx: 5\nenabled: true',
    [
      '2:10: log.level: expected one of debug, info, warn, error, found 7',
      '4:1: unknown key "logs"; did you mean "log"?',
      "6:10: nri.index: expected two digits in quotes, such as '10', found 5",
      '7:3: unknown key "indx" in nri; did you mean "index"?',
      '8:1: key "enabled" is given twice',
    ],
  ],
]

t.test('problems say where, what and what instead', async (t) => {
  for (const [name, text, problems] of bad) t.same(problemsOf(text), problems, name)
})

t.test('a text without a bottom', async (t) => {
  for (const open of ['[', '{a: '])
    t.match(problemsOf(open.repeat(100_000)), [/^1:\d+: nested too deeply$/], open)
})

t.test('a text of a mebibyte is read in time, one byte more is not read', async (t) => {
  const full = Array.from({ length: 120_000 }, (_, index) => `k${index}:`)
    .join('\n')
    .padEnd(1024 * 1024)
  const begun = performance.now()
  t.equal(problemsOf(full).length, 120_000)
  t.ok(performance.now() - begun < 30_000, 'no step compares all keys with each other')
  t.same(problemsOf(`${full} `), [' larger than 1048576 bytes, which no config of this program is'])
})

t.test('files', async (t) => {
  const directory = t.testdir({ 'good.yaml': 'enabled: false', 'bad.yaml': 'enabled: 1', 'latin.yaml': '' })
  const at = (name: string) => join(directory, name)
  writeFileSync(at('latin.yaml'), Buffer.from('stateDirectory: /\xe9', 'latin1'))
  mkdirSync(at('directory'))
  t.same(await loadConfig(at('good.yaml')), { ...defaultConfig, enabled: false })
  const failures: [path: string, problem: string][] = [
    [at('bad.yaml'), ':1:10: enabled: expected true or false, found 1'],
    [at('missing.yaml'), ": can't be read: there is no such file"],
    [at('directory'), ": can't be read: it is a directory"],
    [at('latin.yaml'), ': is not UTF-8 text'],
    ['/dev/zero', ': larger than 1048576 bytes, which no config of this program is'],
  ]
  for (const [path, problem] of failures) {
    await t.rejects(loadConfig(path), { name: 'ConfigError', problems: [`${path}${problem}`] }, path)
  }
})

t.test('the default file may be missing', async (t) => {
  const expected = existsSync(DEFAULT_CONFIG_FILE)
    ? parseConfig(readFileSync(DEFAULT_CONFIG_FILE, 'utf8'), DEFAULT_CONFIG_FILE)
    : defaultConfig
  t.same(await loadConfig(), expected)
})
