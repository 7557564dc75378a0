import t from 'tap'
import type { Policy, Ruling } from '../../src/policy/rules.js'
import { isOneSize, sizeFor, sizeOf } from '../../src/policy/size.js'

const policyOf = (ruling: Partial<Ruling>, ofRule: Partial<Ruling> = {}): Policy => ({
  rules: [{ match: { pod: ['x'] }, outcome: 'map', allow: [], ...ofRule }],
  default: { outcome: 'map', allow: [], ...ruling },
  hostNamespaces: 'refuse',
  privileged: 'refuse',
})

const sizes: [what: string, ruling: Partial<Ruling>, wanted: string | undefined, size: number | RegExp][] = [
  ['nothing said', {}, undefined, 65536],
  ['by the policy', { idsPerPod: 131072 }, undefined, 131072],
  ['more may be asked for, and is not', { maxIdsPerPod: 131072 }, undefined, 65536],
  ['asked for', { maxIdsPerPod: 131072 }, '131072', 131072],
  ['asked for less than the most', { maxIdsPerPod: 1048576 }, '131072', 131072],
  ['asked for less than usual', { idsPerPod: 131072, maxIdsPerPod: 131072 }, '65536', 65536],
  [
    'asked for too much',
    { idsPerPod: 131072, maxIdsPerPod: 196608 },
    '262144',
    /asks for 262144 ids, and policy\.default gives it 131072, or 196608 at most: .*set maxIdsPerPod in policy\.default to 262144 or more/,
  ],
  [
    'asked where nothing may be',
    {},
    '131072',
    /asks for 131072 ids, and policy\.default gives it 65536: take it/,
  ],
  ['asked for less where nothing may be', { idsPerPod: 131072 }, '65536', /gives it 131072: take it/],
  ['asked for what it has anyway', {}, '65536', 65536],
  ['asked for what the policy gives anyway', { idsPerPod: 131072 }, '131072', 131072],
  [
    'no multiple',
    { maxIdsPerPod: 1048576 },
    '100000',
    /is "100000", which is no multiple of 65536: correct it/,
  ],
  ['none', { maxIdsPerPod: 1048576 }, '0', /is "0", which is no multiple/],
  ['a word', { maxIdsPerPod: 1048576 }, '128Ki', /is "128Ki", which is no multiple/],
  ['in hexadecimal', { maxIdsPerPod: 1048576 }, '0x20000', /which is no multiple/],
  ['negative', { maxIdsPerPod: 1048576 }, '-65536', /which is no multiple/],
  ['empty', { maxIdsPerPod: 1048576 }, '', /is "", which/],
  ['more than a number holds', { maxIdsPerPod: 1048576 }, `${'6553600'.repeat(50)}`, /\.\.\.", which is no/],
]

for (const [what, ruling, wanted, expected] of sizes) {
  t.test(`${what}: ${expected}`, async (t) => {
    const annotations = wanted === undefined ? {} : { 'ids-per-pod.userns.nri.io': wanted }
    const size = sizeOf(policyOf(ruling), 'default', annotations, 65536)
    if (typeof expected === 'number') t.strictSame(size, { ids: expected })
    else t.match(size, { reason: expected })
  })
}

t.test('of the rule that decides', async (t) => {
  const policy = policyOf({ idsPerPod: 131072 }, { idsPerPod: 262144 })
  t.strictSame(sizeOf(policy, 0, {}, 65536), { ids: 262144 })
  t.strictSame(sizeOf(policy, 'default', {}, 65536), { ids: 131072 })
  t.strictSame(sizeOf(policyOf({ idsPerPod: 131072 }), 0, {}, 65536), { ids: 65536 })
})

t.test('whether all have the same', async (t) => {
  t.ok(isOneSize(policyOf({})))
  t.notOk(isOneSize(policyOf({ idsPerPod: 65536 })))
  t.notOk(isOneSize(policyOf({ maxIdsPerPod: 65536 })))
  t.notOk(isOneSize(policyOf({}, { idsPerPod: 65536 })))
  t.notOk(isOneSize(policyOf({}, { maxIdsPerPod: 65536 })))
})

t.test('the smallest range that has an id', async (t) => {
  t.equal(sizeFor(0), 65536)
  t.equal(sizeFor(65535), 65536)
  t.equal(sizeFor(65536), 131072)
  t.equal(sizeFor(100000), 131072)
  t.equal(sizeFor(4294836223), 4294836224)
  t.equal(sizeFor(4294836224), undefined, 'no host has one')
})
