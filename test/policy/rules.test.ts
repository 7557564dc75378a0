import t from 'tap'
import {
  decide,
  type Match,
  type Policy,
  type Rule,
  type Ruling,
  ruleOnLabels,
  type Subject,
} from '../../src/policy/rules.js'

const plain: Subject = { namespace: 'default', pod: 'web-1', labels: {}, annotations: {}, user: undefined }

const policyOf = (rules: Rule[], ruling: Partial<Ruling> = {}): Policy => ({
  rules,
  default: { outcome: 'map', allow: [], ...ruling },
  hostNamespaces: 'refuse',
  privileged: 'refuse',
})

const conditions: [what: string, match: Match, subject: Partial<Subject>, matches: boolean][] = [
  ['a namespace', { namespace: ['default'] }, {}, true],
  ['another namespace', { namespace: ['other'] }, {}, false],
  ['one namespace of a list', { namespace: ['other', 'def*'] }, {}, true],
  ['any namespace, of one that has none', { namespace: ['*'] }, { namespace: undefined }, false],
  ['a pod', { pod: ['web-*'] }, {}, true],
  ['another pod', { pod: ['db-*'] }, {}, false],
  ['a pod of another namespace', { namespace: ['other'], pod: ['web-*'] }, {}, false],
  ['a label', { labels: { a: 'x' } }, { labels: { a: 'x', b: 'y' } }, true],
  ['a glob of a label', { labels: { a: 'x*' } }, { labels: { a: 'xyz' } }, true],
  ['a label of another value', { labels: { a: 'x' } }, { labels: { a: 'y' } }, false],
  ['a label that is not there', { labels: { a: '*' } }, { annotations: { a: 'x' } }, false],
  ['one label of two', { labels: { a: '*', b: '*' } }, { labels: { a: 'x' } }, false],
  ['both labels', { labels: { a: '*', b: '' } }, { labels: { a: 'x', b: '' } }, true],
  [
    'a label of another namespace',
    { namespace: ['other'], labels: { a: '*' } },
    { labels: { a: 'x' } },
    false,
  ],
  ['an annotation', { annotations: { a: 'x' } }, { annotations: { a: 'x', b: 'y' } }, true],
  ['a glob of an annotation', { annotations: { a: 'x*' } }, { annotations: { a: 'xyz' } }, true],
  ['an annotation of another value', { annotations: { a: 'x' } }, { annotations: { a: 'y' } }, false],
  ['an annotation that is not there', { annotations: { a: '*' } }, {}, false],
  ['an annotation that every object has', { annotations: { constructor: '*' } }, {}, false],
  ['one annotation of two', { annotations: { a: '*', b: '*' } }, { annotations: { a: 'x' } }, false],
  ['both annotations', { annotations: { a: '*', b: '*' } }, { annotations: { a: 'x', b: '' } }, true],
  ['root', { user: ['root'] }, { user: 0 }, true],
  ['root by its number', { user: [0] }, { user: 0 }, true],
  ['root, of another user', { user: ['root'] }, { user: 1 }, false],
  ['nonroot', { user: ['nonroot'] }, { user: 1000 }, true],
  ['nonroot, of root', { user: ['nonroot'] }, { user: 0 }, false],
  ['a uid', { user: [7, 1000] }, { user: 1000 }, true],
  ['another uid', { user: [7] }, { user: 1000 }, false],
  ['root, of a sandbox', { user: ['root'] }, {}, false],
  ['nonroot, of a sandbox', { user: ['nonroot'] }, {}, false],
]

for (const [what, match, subject, matches] of conditions) {
  t.test(`${what}: ${matches ? 'matches' : 'does not match'}`, async (t) => {
    const decision = decide(policyOf([{ match, outcome: 'skip', allow: [] }]), { ...plain, ...subject })
    t.equal(decision.by, matches ? 0 : 'default')
    t.equal(decision.outcome, matches ? 'skip' : 'map')
  })
}

t.test('the first match wins', async (t) => {
  const rules: Rule[] = [
    { match: { namespace: ['other'] }, outcome: 'map', allow: [] },
    { match: { pod: ['web-*'] }, outcome: 'skip', allow: [] },
    { match: { namespace: ['default'] }, outcome: 'refuse', allow: [] },
  ]
  t.match(decide(policyOf(rules), plain), {
    outcome: 'skip',
    by: 1,
    reason: 'policy.rules[1] leaves it alone',
  })
  t.match(decide(policyOf(rules), { ...plain, pod: 'db' }), { outcome: 'refuse', by: 2 })
  t.strictSame(decide(policyOf(rules), { ...plain, namespace: 'other' }), { outcome: 'map', by: 0 })
})

t.test('a refusal has the words of the admin, or tells whom to ask', async (t) => {
  const reason = 'no pods of others here'
  t.match(decide(policyOf([], { outcome: 'refuse', reason }), plain), {
    outcome: 'refuse',
    by: 'default',
    reason: 'the policy of this node refuses it: no pods of others here (policy.default)',
  })
  t.match(
    decide(policyOf([], { outcome: 'refuse' }), plain).reason,
    /by policy\.default .*ask the node's admin/,
  )
})

const requests: [what: string, wanted: string, ruling: Partial<Ruling>, outcome: string, reason?: RegExp][] =
  [
    ['allowed skip', 'skip', { allow: ['skip'] }, 'skip', /asks for it, as policy\.default allows/],
    ['allowed refuse', 'refuse', { allow: ['refuse'] }, 'refuse', /asks for it/],
    ['allowed map', 'map', { outcome: 'refuse', allow: ['map'] }, 'map'],
    [
      'skip where nothing is allowed',
      'skip',
      {},
      'refuse',
      /asks for skip, which policy\.default does not allow/,
    ],
    ['skip where something else is allowed', 'skip', { allow: ['refuse'] }, 'refuse', /does not allow/],
    ['map where all are left alone', 'map', { outcome: 'skip' }, 'refuse', /does not allow/],
    ['what it would have anyway', 'map', {}, 'map'],
    ['a refusal that it would have anyway', 'refuse', { outcome: 'refuse', reason: 'x' }, 'refuse', /: x \(/],
    [
      'something unknown',
      'Skip',
      { allow: ['skip'] },
      'refuse',
      /is "Skip", which is none of map, skip, refuse/,
    ],
    ['nothing', '', { allow: ['skip'] }, 'refuse', /is "", which is none/],
    ['a novel', 'x'.repeat(10_000), {}, 'refuse', /is "x{60}\.\.\.", which/],
    ['escape codes', '\x1b[2J\n', {}, 'refuse', /is "\\u001b\[2J\\n"/],
  ]

for (const [what, wanted, ruling, outcome, reason] of requests) {
  t.test(`a pod that asks for ${what}: ${outcome}`, async (t) => {
    const annotations = { 'outcome.userns.nri.io': wanted }
    const decision = decide(policyOf([], ruling), { ...plain, annotations })
    t.equal(decision.outcome, outcome)
    if (reason) t.match(decision.reason, reason)
    else t.equal(decision.reason, undefined)
  })
}

t.test('what may be asked for is up to the rule that matches', async (t) => {
  const rules: Rule[] = [{ match: { pod: ['web-*'] }, outcome: 'map', allow: [] }]
  const annotations = { 'outcome.userns.nri.io': 'skip' }
  const policy = policyOf(rules, { allow: ['skip'] })
  t.match(decide(policy, { ...plain, annotations }), { outcome: 'refuse', by: 0 })
  t.match(decide(policy, { ...plain, pod: 'db', annotations }), { outcome: 'skip', by: 'default' })
})

t.test('which rule is about labels', async (t) => {
  const rules: Rule[] = [
    { match: { pod: ['a'] }, outcome: 'skip', allow: [] },
    { match: { labels: { a: 'x' } }, outcome: 'skip', allow: [] },
  ]
  t.equal(ruleOnLabels(policyOf(rules)), 1)
  t.equal(ruleOnLabels(policyOf(rules.slice(0, 1))), undefined)
})
