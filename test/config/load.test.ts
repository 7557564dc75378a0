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

t.test('rules of the policy', async (t) => {
  const text = `policy:
  default: { outcome: refuse, reason: not here, allow: [map] }
  hostNamespaces: skip
  rules:
    - match: { namespace: kube-system, user: root }
      outcome: skip
    - match:
        namespace: [a, 'b-*']
        pod: '*'
        labels: { app: '', example.com/team: 'pay-*' }
        annotations: { example.com/a: '', b: 'x*' }
        user: [nonroot, 0]
      outcome: map
      allow: [skip, refuse]
      idsPerPod: 131072
      maxIdsPerPod: 1048576`
  t.strictSame(parseConfig(text, 'config.yaml').policy, {
    default: { outcome: 'refuse', reason: 'not here', allow: ['map'] },
    hostNamespaces: 'skip',
    privileged: 'refuse',
    rules: [
      { match: { namespace: ['kube-system'], user: ['root'] }, outcome: 'skip', allow: [] },
      {
        match: {
          namespace: ['a', 'b-*'],
          pod: ['*'],
          labels: { app: '', 'example.com/team': 'pay-*' },
          annotations: { 'example.com/a': '', b: 'x*' },
          user: ['nonroot', 0],
        },
        outcome: 'map',
        allow: ['skip', 'refuse'],
        idsPerPod: 131072,
        maxIdsPerPod: 1048576,
      },
    ],
  })
})

t.test('a size may be what a pod that would be left alone can ask for', async (t) => {
  const text = 'policy: { default: { outcome: skip, allow: [map], idsPerPod: 131072 } }'
  t.match(parseConfig(text, 'config.yaml').policy.default, { outcome: 'skip', idsPerPod: 131072 })
  const rest = 'ranges: { from: rest }\npolicy: { default: { idsPerPod: 2147483648 } }'
  t.equal(parseConfig(rest, 'config.yaml').policy.default.idsPerPod, 2147483648, 'of ids yet unknown')
})

t.test('sockets lie in the run directory, unless they are given', async (t) => {
  const config = parseConfig('runDirectory: /run/other\nadmin:\n  socket: /tmp/a.sock', 'config.yaml')
  t.equal(config.shim.socket, '/run/other/shim.sock')
  t.equal(config.admin.socket, '/tmp/a.sock')
})

const keys =
  'enabled, ranges, network, volumes, stateDirectory, runDirectory, shim, admin, nri, containerd, policy, log'
const policyKeys = 'outcome, allow, reason, idsPerPod, maxIdsPerPod'
const size = 'expected a multiple of 65536, 65536 to 4294836224'
const policyFaults: [name: string, text: string, problems: string[]][] = [
  [
    'a slip in a key of a condition',
    'policy:\n  rules:\n    - match: { namespace: a }\n      outcome: skip\n    - match:\n        namespaces: b\n      outcome: skip',
    ['6:9: unknown key "namespaces" in policy.rules[1].match; did you mean "namespace"?'],
  ],
  [
    'a slip in a key of a rule',
    'policy:\n  rules:\n    - match: { pod: a }\n      outcom: skip',
    [
      '3:7: policy.rules[0].outcome: expected one of map, skip, refuse, found nothing',
      '4:7: unknown key "outcom" in policy.rules[0]; did you mean "outcome"?',
    ],
  ],
  [
    'a condition on something else',
    'policy:\n  rules:\n    - match: { handler: a }\n      outcome: skip',
    [
      '3:16: unknown key "handler" in policy.rules[0].match; the keys are namespace, pod, labels, annotations, user',
    ],
  ],
  [
    'a default that is a word',
    'policy:\n  default: skip',
    ['2:12: policy.default: expected a map of keys and values, found the text "skip"'],
  ],
  [
    'a key of nobody in the default',
    'policy:\n  default: { match: {} }',
    [`2:14: unknown key "match" in policy.default; the keys are ${policyKeys}`],
  ],
  [
    'an outcome that is none',
    'policy:\n  default:\n    outcome: allow',
    ['3:14: policy.default.outcome: expected one of map, skip, refuse, found the text "allow"'],
  ],
  [
    'a choice that is none',
    'policy:\n  privileged: map',
    ['2:15: policy.privileged: expected one of refuse, skip, found the text "map"'],
  ],
  [
    'rules that are a map',
    'policy:\n  rules: { a: b }',
    ['2:10: policy.rules: expected a list of rules, found a map'],
  ],
  [
    'a rule that is a word, and one that is nothing',
    'policy:\n  rules:\n    - skip\n    -',
    [
      '3:7: policy.rules[0]: expected a map of keys and values, found the text "skip"',
      '4:6: policy.rules[1]: expected a map of keys and values, found nothing',
    ],
  ],
  [
    'a rule without conditions',
    'policy:\n  rules:\n    - match: {}\n      outcome: skip',
    [
      '3:14: policy.rules[0].match: expected one condition or more (namespace, pod, labels, annotations, user), as policy.default is for all others, found an empty map',
    ],
  ],
  [
    'a rule without a match',
    'policy:\n  rules:\n    - outcome: skip',
    ['3:7: policy.rules[0].match: expected a map of keys and values, found nothing'],
  ],
  [
    'a condition that lost its value',
    'policy:\n  rules:\n    - match:\n        namespace:\n        # - kube-system\n        pod: a\n      outcome: skip',
    [
      '4:19: policy.rules[0].match.namespace: expected a namespace (a-z, 0-9, "-"), a glob with *, or a list of them, found nothing',
    ],
  ],
  [
    'a list that lost its values',
    'policy:\n  rules:\n    - match: { pod: [] }\n      outcome: skip',
    [
      '3:21: policy.rules[0].match.pod: expected a name of pods (a-z, 0-9, "-", "."), a glob with *, or a list of them, found an empty list',
    ],
  ],
  [
    'a name that no namespace has, in a list',
    'policy:\n  rules:\n    - match:\n        namespace:\n          - kube-system\n          - Kube System\n          - 7\n      outcome: skip',
    [
      '6:13: policy.rules[0].match.namespace[1]: expected a namespace (a-z, 0-9, "-"), a glob with *, or a list of them, found the text "Kube System"',
      '7:13: policy.rules[0].match.namespace[2]: expected a namespace (a-z, 0-9, "-"), a glob with *, or a list of them, found 7',
    ],
  ],
  [
    'an annotation without quotes',
    'policy:\n  rules:\n    - match:\n        annotations:\n          example.com/trusted: true\n      outcome: skip',
    [
      '5:32: policy.rules[0].match.annotations.example.com/trusted: expected a text or glob in quotes, found true',
    ],
  ],
  [
    'no annotations',
    'policy:\n  rules:\n    - match: { annotations: {} }\n      outcome: skip',
    [
      '3:29: policy.rules[0].match.annotations: expected a map of annotations, each with a text or glob in quotes, found an empty map',
    ],
  ],
  [
    'users that are none',
    'policy:\n  rules:\n    - match: { user: admin }\n      outcome: map\n    - match: { user: [0, -1] }\n      outcome: map',
    [
      '3:22: policy.rules[0].match.user: expected root, nonroot, a uid, or a list of them, found the text "admin"',
      '5:26: policy.rules[1].match.user[1]: expected root, nonroot, a uid, or a list of them, found -1',
    ],
  ],
  [
    'a reason that nobody is told',
    'policy:\n  default:\n    reason: because\n  rules:\n    - match: { pod: a }\n      outcome: skip\n      reason: because',
    [
      '3:13: policy.default.reason: expected a reason only where outcome is refuse, found the text "because"',
      '7:15: policy.rules[0].reason: expected a reason only where outcome is refuse, found the text "because"',
    ],
  ],
  [
    'reasons that are no sentence',
    `policy:\n  default: { outcome: refuse, reason: ' ' }\n  rules:\n    - match: { pod: a }\n      outcome: refuse\n      reason: "a\\nb"\n    - match: { pod: a }\n      outcome: refuse\n      reason: ${'x'.repeat(301)}`,
    [
      '2:39: policy.default.reason: expected a sentence on one line, of at most 300 characters, found the text " "',
      '6:15: policy.rules[0].reason: expected a sentence on one line, of at most 300 characters, found the text "a\\nb"',
      `9:15: policy.rules[1].reason: expected a sentence on one line, of at most 300 characters, found the text "${'x'.repeat(60)}..."`,
    ],
  ],
  [
    'an outcome that nobody can ask for',
    'policy:\n  default:\n    allow: [skip, none]\n  rules:\n    - match: { pod: a }\n      outcome: map\n      allow: skip',
    [
      '3:19: policy.default.allow[1]: expected one of map, skip, refuse, found the text "none"',
      '7:14: policy.rules[0].allow: expected a list of map, skip, refuse, found the text "skip"',
    ],
  ],
  [
    'labels that no pod can have',
    'policy:\n  rules:\n    - match:\n        labels:\n          a: true\n          b: x y\n      outcome: skip\n    - match: { labels: {} }\n      outcome: skip',
    [
      '5:14: policy.rules[0].match.labels.a: expected the text of a label (letters, digits, ".", "_", "-") or a glob with *, in quotes, found true',
      '6:14: policy.rules[0].match.labels.b: expected the text of a label (letters, digits, ".", "_", "-") or a glob with *, in quotes, found the text "x y"',
      '8:24: policy.rules[1].match.labels: expected a map of labels by their names (example.com/team), each with a text or glob in quotes, found an empty map',
    ],
  ],
  [
    'a key that no label can have',
    "policy:\n  rules:\n    - match:\n        labels: { 'example.com/*': x }\n      outcome: skip",
    [
      '4:36: policy.rules[0].match.labels.example.com/*: expected a map of labels by their names (example.com/team), each with a text or glob in quotes, found the text "x"',
    ],
  ],
  [
    'sizes that are none',
    'policy:\n  default: { idsPerPod: 0, maxIdsPerPod: 100000 }\n  rules:\n    - match: { pod: a }\n      outcome: map\n      idsPerPod: 65536k\n    - match: { pod: b }\n      outcome: map\n      maxIdsPerPod: 4294901760',
    [
      `2:25: policy.default.idsPerPod: ${size}, found 0`,
      `2:42: policy.default.maxIdsPerPod: ${size}, found 100000`,
      `6:18: policy.rules[0].idsPerPod: ${size}, found the text "65536k"`,
      `9:21: policy.rules[1].maxIdsPerPod: ${size}, found 4294901760`,
    ],
  ],
  [
    'sizes where nothing is mapped',
    'policy:\n  default: { outcome: skip, idsPerPod: 65536 }\n  rules:\n    - match: { pod: a }\n      outcome: refuse\n      maxIdsPerPod: 65536',
    [
      '2:40: policy.default.idsPerPod: expected idsPerPod only where outcome is map, or may be by allow, found 65536',
      '6:21: policy.rules[0].maxIdsPerPod: expected maxIdsPerPod only where outcome is map, or may be by allow, found 65536',
    ],
  ],
  [
    'a largest size below the usual one',
    'policy:\n  default: { idsPerPod: 131072, maxIdsPerPod: 65536 }',
    ['2:47: policy.default.maxIdsPerPod: expected idsPerPod (131072) or more, found 65536'],
  ],
  [
    'a size that the ids do not hold',
    'ranges: { firstID: 131072, count: 196608, podLimit: 1 }\npolicy:\n  default: { maxIdsPerPod: 131072 }\n  rules:\n    - match: { pod: a }\n      outcome: map\n      idsPerPod: 196608',
    [
      "7:7: policy.rules[0].idsPerPod: 196608 ids in one piece, which begins at a multiple of 196608, don't fit into 131072-327679 (ranges.firstID and count)",
    ],
  ],
  [
    'a glob without quotes',
    'policy:\n  rules:\n    - match: { pod: *-a }\n      outcome: map',
    ['3:21: the alias *-a is not supported: write the value out, and a text with * in quotes'],
  ],
]
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
  ...policyFaults,
  ['a key twice', 'log:\n  level: info\n  level: info', ['3:3: key "level" is given twice']],
  [
    'an alias',
    'shim: &x\n  socket: /a\nadmin: *x',
    ['3:8: the alias *x is not supported: write the value out, and a text with * in quotes'],
  ],
  [
    'an endless alias',
    'log: &x [*x]',
    ['1:10: the alias *x is not supported: write the value out, and a text with * in quotes'],
  ],
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
