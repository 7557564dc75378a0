import t from 'tap'
import type { ContainerFacts } from '../../src/policy/admission.js'
import type { Policy, Subject } from '../../src/policy/rules.js'
import { follow, judge, type Length, type SandboxHome, type Verdict } from '../../src/policy/verdict.js'

const subject: Subject = { namespace: 'a', pod: 'p', labels: {}, annotations: {}, user: undefined }
const plain: ContainerFacts = { hostNamespaces: [], privileged: false, hasUserNamespace: false, highestID: 0 }
const policy: Policy = {
  rules: [
    { match: { namespace: ['left-*'] }, outcome: 'skip', allow: [] },
    { match: { namespace: ['not-*'] }, outcome: 'refuse', allow: [] },
    { match: { namespace: ['ours'] }, outcome: 'map', allow: [] },
  ],
  default: { outcome: 'map', allow: [] },
  hostNamespaces: 'refuse',
  privileged: 'skip',
}

const judgements: [what: string, namespace: string, Partial<ContainerFacts>, outcome: string, by: unknown][] =
  [
    ['a plain one', 'a', {}, 'map', 'default'],
    ['a plain one of a rule', 'ours', {}, 'map', 2],
    ["one on the host's network", 'a', { hostNamespaces: ['network'] }, 'refuse', 'hostNamespaces'],
    [
      "one on the host's network that a rule maps",
      'ours',
      { hostNamespaces: ['network'] },
      'refuse',
      'hostNamespaces',
    ],
    [
      "one on the host's network that a rule leaves alone",
      'left-1',
      { hostNamespaces: ['network'] },
      'skip',
      0,
    ],
    ['a privileged one', 'a', { privileged: true }, 'skip', 'privileged'],
    ['a privileged one that a rule refuses', 'not-1', { privileged: true }, 'refuse', 1],
    ['one with a user namespace of its own', 'a', { hasUserNamespace: true }, 'skip', undefined],
    [
      'one with a user namespace of its own that a rule refuses',
      'not-1',
      { hasUserNamespace: true },
      'refuse',
      1,
    ],
    ['an id beyond the range', 'ours', { highestID: 65536 }, 'refuse', undefined],
    ['an id beyond the range that a rule leaves alone', 'left-1', { highestID: 65536 }, 'skip', 0],
  ]

for (const [what, namespace, facts, outcome, by] of judgements) {
  t.test(`${what}: ${outcome}`, async (t) => {
    const verdict = judge(policy, { ...subject, namespace }, { ...plain, ...facts }, { idsPerPod: 65536 })
    t.equal(verdict.outcome, outcome)
    t.equal(verdict.by, by)
    t.equal(verdict.reason === undefined, outcome === 'map', 'a reason, unless it is mapped')
  })
}

const lengths: [
  what: string,
  Partial<Policy['default']>,
  annotation: string | undefined,
  Partial<ContainerFacts>,
  length: Length,
  expected: Partial<Verdict>,
][] = [
  ['by the node', {}, undefined, {}, { idsPerPod: 65536 }, { outcome: 'map', ids: 65536 }],
  [
    'by the policy',
    { idsPerPod: 131072 },
    undefined,
    {},
    { idsPerPod: 65536 },
    { outcome: 'map', ids: 131072 },
  ],
  [
    'an id that a longer range has',
    { idsPerPod: 131072 },
    undefined,
    { highestID: 100000 },
    { idsPerPod: 65536 },
    { outcome: 'map', ids: 131072 },
  ],
  ['as it is already', { idsPerPod: 131072 }, undefined, {}, { ids: 65536 }, { outcome: 'map', ids: 65536 }],
  ['as it is already, whatever it asks for', {}, 'x', {}, { ids: 65536 }, { outcome: 'map', ids: 65536 }],
  [
    'an id beyond what is already',
    { idsPerPod: 131072 },
    undefined,
    { highestID: 100000 },
    { ids: 65536 },
    { outcome: 'refuse', ids: undefined },
  ],
  ['asked for in vain', {}, '131072', {}, { idsPerPod: 65536 }, { outcome: 'refuse', by: 'default' }],
  [
    'asked for in vain by one that is left alone',
    {},
    '131072',
    { privileged: true },
    { idsPerPod: 65536 },
    { outcome: 'skip', by: 'privileged' },
  ],
  [
    'by a policy that maps nobody',
    { outcome: 'skip', allow: ['map'], idsPerPod: 131072 },
    '131072',
    {},
    { idsPerPod: 65536 },
    { outcome: 'skip', ids: undefined },
  ],
]

for (const [what, ruling, annotation, facts, length, expected] of lengths) {
  t.test(`length ${what}: ${expected.outcome}, ${expected.ids} ids`, async (t) => {
    const annotations = annotation === undefined ? {} : { 'ids-per-pod.userns.nri.io': annotation }
    const sized = { ...policy, default: { ...policy.default, ...ruling } }
    const verdict = judge(sized, { ...subject, annotations }, { ...plain, ...facts }, length)
    t.match(verdict, expected)
    t.equal(verdict.reason === undefined, verdict.outcome === 'map')
  })
}

const map: Verdict = { outcome: 'map', by: 'default' }
const skip: Verdict = { outcome: 'skip', by: 3, reason: 'policy.rules[3] leaves it alone' }
const refuse: Verdict = { outcome: 'refuse', by: 1, reason: 'no' }

/** No row lets a container run outside the range of its sandbox, or in a range without it. */
const rows: [SandboxHome, Verdict, hasUserNamespace: boolean, outcome: string, reason?: RegExp][] = [
  ['range', map, false, 'map'],
  ['range', skip, false, 'refuse', /left alone \(policy\.rules\[3\] .*runs in an id range: delete the pod/],
  ['range', skip, true, 'refuse', /runs in an id range/],
  ['range', refuse, false, 'refuse', /^no$/],
  ['host', map, false, 'refuse', /no id range \(it may be older .*: delete the pod/],
  ['host', skip, false, 'skip'],
  ['host', skip, true, 'skip'],
  ['host', refuse, false, 'refuse', /^no$/],
  ['elsewhere', map, false, 'refuse', /no id range/],
  ['elsewhere', skip, false, 'refuse', /has no user namespace, but its sandbox has: delete the pod/],
  ['elsewhere', skip, true, 'skip'],
  ['elsewhere', refuse, true, 'refuse', /^no$/],
]

for (const [home, verdict, hasUserNamespace, outcome, reason] of rows) {
  const own = hasUserNamespace ? ' with a user namespace' : ''
  t.test(`${verdict.outcome} a container${own} of a sandbox in ${home}: ${outcome}`, async (t) => {
    const followed = follow(home, verdict, hasUserNamespace)
    t.equal(followed.outcome, outcome)
    t.equal(followed.by, verdict.by)
    if (reason) t.match(followed.reason, reason)
  })
}
