import t from 'tap'
import { BLOCK, type IdRange, printRange, type Span } from '../../src/ranges/range.js'
import { IdSpace } from '../../src/ranges/space.js'

const spanOf = (ranges: number, idsPerPod = BLOCK): Span => ({
  firstID: 2 * idsPerPod,
  count: ranges * idsPerPod,
  idsPerPod,
})
const WIDEST: Span = { firstID: BLOCK, count: 65534 * BLOCK, idsPerPod: BLOCK }

const allocateAll = (space: IdSpace): IdRange[] => {
  const ranges: IdRange[] = []
  for (let range = space.allocate(); range; range = space.allocate()) ranges.push(range)
  return ranges
}

for (const idsPerPod of [BLOCK, 16 * BLOCK]) {
  t.test(`1,000 pods of ${idsPerPod} ids`, async (t) => {
    const span = spanOf(1000, idsPerPod)
    const space = new IdSpace(span)
    t.equal(space.total, 1000)
    const ranges = allocateAll(space)
    t.equal(new Set(ranges.map(printRange)).size, 1000, 'no two alike')
    t.ok(ranges.every((range) => range.length === idsPerPod && range.hostID % idsPerPod === 0))
    t.ok(ranges.every(({ hostID }) => hostID >= span.firstID && hostID < span.firstID + span.count))
    t.equal(space.free, 0)
    t.equal(space.allocate(), undefined, 'full')
    for (const range of ranges) space.release(range)
    t.equal(space.free, 1000)
    t.same(allocateAll(space), ranges, 'all there again')
  })
}

t.test('a freed range rests until all others were used', async (t) => {
  const space = new IdSpace(spanOf(5))
  const [first, second] = [space.allocate()!, space.allocate()!]
  space.release(second)
  space.release(first)
  const later = allocateAll(space)
  t.equal(later.length, 5)
  t.same(later.slice(-2), [second, first], 'first freed, first used')
})

t.test('release of a free range is nothing', async (t) => {
  const space = new IdSpace(spanOf(3))
  const range = space.allocate()!
  space.release(range)
  space.release(range)
  t.equal(space.free, 3)
  t.equal(new Set(allocateAll(space).map(printRange)).size, 3)
})

t.test('take', async (t) => {
  const space = new IdSpace(spanOf(3))
  const middle = { hostID: 3 * BLOCK, length: BLOCK }
  t.ok(space.isFree(middle))
  t.ok(space.take(middle))
  t.notOk(space.isFree(middle))
  t.notOk(space.take(middle), 'a second time')
  t.equal(space.free, 2)
  t.same(
    allocateAll(space).map(({ hostID }) => hostID),
    [2 * BLOCK, 4 * BLOCK],
  )
})

t.test('what is not one of its ranges is a programming error', async (t) => {
  const space = new IdSpace(spanOf(3))
  const bad: IdRange[] = [
    { hostID: BLOCK, length: BLOCK },
    { hostID: 5 * BLOCK, length: BLOCK },
    { hostID: 2 * BLOCK + 1, length: BLOCK },
    { hostID: 2 * BLOCK, length: 2 * BLOCK },
    { hostID: Number.NaN, length: BLOCK },
  ]
  for (const range of bad) {
    t.throws(() => space.take(range), RangeError, `take ${printRange(range)}`)
    t.throws(() => space.release(range), RangeError, `release ${printRange(range)}`)
    t.throws(() => space.isFree(range), RangeError, `isFree ${printRange(range)}`)
  }
  t.equal(space.free, 3)
  t.throws(() => new IdSpace({ ...WIDEST, count: 65535 * BLOCK }), RangeError, 'a span with the last block')
})

t.test('rangesTouching', async (t) => {
  const space = new IdSpace(spanOf(3))
  const cases: [string, IdRange, number[]][] = [
    ['one of its own', { hostID: 3 * BLOCK, length: BLOCK }, [3]],
    ['one id', { hostID: 3 * BLOCK - 1, length: 1 }, [2]],
    ['across a border', { hostID: 3 * BLOCK - 1, length: 2 }, [2, 3]],
    ['subids from 100000 on', { hostID: 100000, length: BLOCK }, [2]],
    ['reaching out at the end', { hostID: 4 * BLOCK + 7, length: 9 * BLOCK }, [4]],
    ['everything', { hostID: 0, length: 2 ** 32 - 1 }, [2, 3, 4]],
    ['below', { hostID: 0, length: 2 * BLOCK }, []],
    ['above', { hostID: 5 * BLOCK, length: BLOCK }, []],
  ]
  for (const [name, range, blocks] of cases) {
    t.same(
      space.rangesTouching(range),
      blocks.map((block) => ({ hostID: block * BLOCK, length: BLOCK })),
      name,
    )
  }
})

t.test('random churn against a queue of free ranges', async (t) => {
  let seed = 20240607
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  const space = new IdSpace(spanOf(64))
  const free = Array.from({ length: 64 }, (_, slot) => (slot + 2) * BLOCK)
  const taken: number[] = []
  for (let step = 0; step < 20_000; step++) {
    const hostID = (random(64) + 2) * BLOCK
    const range = { hostID, length: BLOCK }
    const at = free.indexOf(hostID)
    switch (random(4)) {
      case 0:
      case 1: {
        const expected = free.shift()
        if (expected !== undefined) taken.push(expected)
        if (space.allocate()?.hostID !== expected) t.fail(`step ${step}: allocate gives not ${expected}`)
        break
      }
      case 2:
        if (space.take(range) !== at >= 0) t.fail(`step ${step}: take ${hostID}`)
        if (at >= 0) taken.push(...free.splice(at, 1))
        break
      default: {
        const [released = hostID] = taken.splice(random(taken.length), 1)
        space.release({ hostID: released, length: BLOCK })
        if (!free.includes(released)) free.push(released)
      }
    }
    if (space.free !== free.length) t.fail(`step ${step}: ${space.free} free, not ${free.length}`)
    if (space.isFree(range) !== free.includes(hostID)) t.fail(`step ${step}: isFree ${hostID}`)
  }
  t.same(
    allocateAll(space).map(({ hostID }) => hostID),
    free,
    'same ranges in the same order',
  )
})

t.test('the widest span', async (t) => {
  const space = new IdSpace(WIDEST)
  const ranges = allocateAll(space)
  t.equal(ranges.length, 65534)
  t.same(ranges.at(-1), { hostID: 65534 * BLOCK, length: BLOCK }, 'last before the block of the invalid id')

  const pairs = 1_000_000
  for (const [state, freed] of [
    ['full but for one', ranges[0]],
    ['empty', undefined],
  ] as const) {
    for (const range of freed ? [freed] : ranges) space.release(range)
    const start = performance.now()
    for (let i = 0; i < pairs; i++) space.release(space.allocate()!)
    const seconds = (performance.now() - start) / 1000
    t.comment(`${state}: ${(pairs / seconds / 1e6).toFixed(1)} million allocations and releases a second`)
    t.equal(space.free, freed ? 1 : 65534)
  }
})
