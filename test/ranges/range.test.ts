import t from 'tap'
import {
  BLOCK,
  checkSpan,
  type IdRange,
  overlaps,
  printRange,
  type Span,
  widestSpan,
} from '../../src/ranges/range.js'

const span = (change: Partial<Span> = {}): Span => ({
  firstID: BLOCK,
  count: 10 * BLOCK,
  idsPerPod: BLOCK,
  ...change,
})

t.test('overlaps', async (t) => {
  const cases: [IdRange, IdRange, boolean][] = [
    [{ hostID: 100, length: 10 }, { hostID: 100, length: 10 }, true],
    [{ hostID: 100, length: 10 }, { hostID: 109, length: 1 }, true],
    [{ hostID: 100, length: 10 }, { hostID: 110, length: 10 }, false],
    [{ hostID: 100, length: 10 }, { hostID: 0, length: 2 ** 32 }, true],
    [{ hostID: 100, length: 10 }, { hostID: 90, length: 10 }, false],
  ]
  for (const [a, b, expected] of cases) {
    t.equal(overlaps(a, b), expected, `${printRange(a)} and ${printRange(b)}`)
    t.equal(overlaps(b, a), expected, `${printRange(b)} and ${printRange(a)}`)
  }
})

t.test('printRange', async (t) => {
  t.equal(printRange({ hostID: 131072, length: BLOCK }), '131072-196607')
})

t.test('the widest span', async (t) => {
  for (const idsPerPod of [BLOCK, 16 * BLOCK, 7 * BLOCK, 2 ** 30]) {
    const widest = widestSpan(idsPerPod)
    t.doesNotThrow(() => checkSpan(widest, 1), `${idsPerPod}`)
    const wider = { ...widest, count: widest.count + idsPerPod }
    t.throws(() => checkSpan(wider, 1), /invalid id/, `${idsPerPod}`)
  }
})

t.test('spans that can be', async (t) => {
  const cases: [string, Span, number][] = [
    ['room for just as many pods as may come', span(), 10],
    ['right behind block 0', span({ count: BLOCK }), 1],
    ['up to the last block', span({ count: 65534 * BLOCK }), 65534],
    ['a MiB of ids per pod', { firstID: 16 * BLOCK, count: 160 * BLOCK, idsPerPod: 16 * BLOCK }, 10],
  ]
  for (const [name, good, podLimit] of cases) t.doesNotThrow(() => checkSpan(good, podLimit), name)
})

t.test('spans that can not be', async (t) => {
  const cases: [string, Span, number, RegExp][] = [
    ['no ids per pod', span({ idsPerPod: 0 }), 1, /^idsPerPod is 0, .* multiple of 65536/],
    ['ids per pod are no multiple of a block', span({ idsPerPod: 1000 }), 1, /^idsPerPod is 1000/],
    ['negative ids per pod', span({ idsPerPod: -BLOCK }), 1, /^idsPerPod is -65536/],
    ['first id not aligned', span({ firstID: 100000 }), 1, /^firstID is 100000, .* multiple of idsPerPod/],
    [
      'first id aligned to a block, not to the pod',
      span({ idsPerPod: 2 * BLOCK }),
      1,
      /^firstID is 65536, .*131072/,
    ],
    ['block 0', span({ firstID: 0 }), 1, /^firstID is 0, .* belong to the host/],
    ['no ids', span({ count: 0 }), 1, /^count is 0/],
    ['count not aligned', span({ count: BLOCK + 1 }), 1, /^count is 65537/],
    ['the last block', span({ count: 65535 * BLOCK }), 1, /reaches into ids 4294901760-4294967295/],
    ['beyond the last block', span({ count: 2 ** 33 }), 1, /invalid id/],
    ['too few for the pods', span(), 11, /room for 10 pods .* podLimit is 11/],
    [
      'more pods than a host has ids for',
      span({ idsPerPod: 16 * BLOCK }),
      4095,
      /^podLimit is 4095, but a host has ids for 4094 pods of 1048576 ids: podLimit or idsPerPod must be lower$/,
    ],
    ['no pods', span(), 0, /^podLimit is 0/],
    ['half a pod', span(), 0.5, /^podLimit is 0.5, .* whole number/],
    ['no number of pods', span(), Number.NaN, /^podLimit is NaN/],
    ['fraction', span({ firstID: BLOCK + 0.5 }), 1, /^firstID is 65536.5, .* whole number/],
    ['infinite', span({ count: Number.POSITIVE_INFINITY }), 1, /^count is Infinity/],
    ['not a safe integer', span({ count: 2 ** 60 }), 1, /^count is 1152921504606847000, .* whole/],
  ]
  for (const [name, bad, podLimit, message] of cases) {
    t.throws(() => checkSpan(bad, podLimit), { name: 'RangeError', message }, name)
  }
})
