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
    for (const range of ranges) space.letGo(range)
    t.equal(space.free, 1000)
    t.same(allocateAll(space), ranges, 'all there again')
  })
}

t.test('a freed range rests until all others were used', async (t) => {
  const space = new IdSpace(spanOf(5))
  const [first, second] = [space.allocate()!, space.allocate()!]
  space.letGo(second)
  space.letGo(first)
  const later = allocateAll(space)
  t.equal(later.length, 5)
  t.same(later.slice(-2), [second, first], 'first freed, first used')
})

t.test('to let go of a free range is nothing', async (t) => {
  const space = new IdSpace(spanOf(3))
  const range = space.allocate()!
  space.letGo(range)
  space.letGo(range)
  t.ok(space.isFree(range))
  t.equal(space.free, 3)
  const all = allocateAll(space).map(printRange)
  t.equal(all.length, 3)
  t.equal(new Set(all).size, 3)
})

t.test('what is held is not allocated', async (t) => {
  const space = new IdSpace(spanOf(3))
  const middle = { hostID: 3 * BLOCK, length: BLOCK }
  t.ok(space.isFree(middle))
  space.hold(middle)
  t.notOk(space.isFree(middle))
  t.equal(space.free, 2)
  t.same(
    allocateAll(space).map(({ hostID }) => hostID),
    [2 * BLOCK, 4 * BLOCK],
  )
})

t.test('free again when the last lets go', async (t) => {
  const space = new IdSpace(spanOf(2))
  for (let i = 0; i < 3; i++) {
    const range = space.allocate()!
    space.hold({ hostID: 2 * BLOCK, length: 2 * BLOCK })
    space.hold(range)
    t.equal(space.freeBlocks, 0)
    space.letGo({ hostID: 2 * BLOCK, length: 2 * BLOCK })
    t.equal(space.freeBlocks, 1, 'the other one')
    space.letGo(range)
    t.notOk(space.isFree(range))
    space.letGo(range)
    t.ok(space.isFree(range))
    t.equal(space.free, 2)
  }
})

t.test('what is no run of its blocks is a programming error', async (t) => {
  const space = new IdSpace(spanOf(3))
  const bad: IdRange[] = [
    { hostID: BLOCK, length: BLOCK },
    { hostID: 5 * BLOCK, length: BLOCK },
    { hostID: 4 * BLOCK, length: 2 * BLOCK },
    { hostID: 2 * BLOCK + 1, length: BLOCK },
    { hostID: 2 * BLOCK, length: BLOCK + 1 },
    { hostID: 2 * BLOCK, length: 0 },
    { hostID: Number.NaN, length: BLOCK },
  ]
  for (const range of bad) {
    t.throws(() => space.hold(range), RangeError, `hold ${printRange(range)}`)
    t.throws(() => space.letGo(range), RangeError, `let go ${printRange(range)}`)
    t.throws(() => space.isFree(range), RangeError, `isFree ${printRange(range)}`)
  }
  t.equal(space.free, 3)
  t.throws(() => new IdSpace({ ...WIDEST, count: 65535 * BLOCK }), RangeError, 'a span with the last block')
})

t.test('touched blocks', async (t) => {
  const cases: [string, IdRange, [first: number, blocks: number] | undefined][] = [
    ['one of its own', { hostID: 3 * BLOCK, length: BLOCK }, [3, 1]],
    ['one id', { hostID: 3 * BLOCK - 1, length: 1 }, [2, 1]],
    ['across a border', { hostID: 3 * BLOCK - 1, length: 2 }, [2, 2]],
    ['subids from 100000 on', { hostID: 100000, length: BLOCK }, [2, 1]],
    ['reaching out at the end', { hostID: 4 * BLOCK + 7, length: 9 * BLOCK }, [4, 1]],
    ['everything', { hostID: 0, length: 2 ** 32 - 1 }, [2, 3]],
    ['below', { hostID: 0, length: 2 * BLOCK }, undefined],
    ['above', { hostID: 5 * BLOCK, length: BLOCK }, undefined],
  ]
  for (const [name, range, run] of cases) {
    const expected = run && { hostID: run[0] * BLOCK, length: run[1] * BLOCK }
    t.same(new IdSpace(spanOf(3)).touched(range), expected, name)
  }
  const slots = new IdSpace(spanOf(3, 2 * BLOCK))
  t.same(slots.touched({ hostID: 5 * BLOCK, length: 1 }), { hostID: 5 * BLOCK, length: BLOCK }, 'of a slot')
})

/** Of a length other than idsPerPod, all in blocks: what is held beforehand, and where the range then begins. */
const others: [
  what: string,
  span: { first: number; blocks: number; perPod: number },
  held: [first: number, blocks: number][],
  wanted: number,
  start: number | undefined,
][] = [
  ['begins at a multiple of its length', { first: 1, blocks: 7, perPod: 1 }, [], 2, 2],
  ['three, too', { first: 1, blocks: 7, perPod: 1 }, [], 3, 3],
  ['passes over what is held', { first: 2, blocks: 8, perPod: 1 }, [[3, 1]], 2, 4],
  ['in the last blocks', { first: 2, blocks: 4, perPod: 1 }, [[2, 1]], 2, 4],
  [
    'no two in one piece',
    { first: 2, blocks: 4, perPod: 1 },
    [
      [2, 1],
      [5, 1],
    ],
    2,
    undefined,
  ],
  ['longer than the span', { first: 2, blocks: 4, perPod: 1 }, [], 5, undefined],
  ['that the span holds, but not at a multiple', { first: 1, blocks: 7, perPod: 1 }, [], 7, undefined],
  ['the whole span', { first: 4, blocks: 4, perPod: 1 }, [], 4, 4],
  ['shorter than idsPerPod', { first: 4, blocks: 8, perPod: 4 }, [], 1, 4],
  ['shorter, out of what is no whole range any more', { first: 4, blocks: 8, perPod: 4 }, [[8, 1]], 1, 9],
  ['two, out of the same', { first: 4, blocks: 8, perPod: 4 }, [[8, 1]], 2, 10],
  ['longer, and no multiple', { first: 4, blocks: 12, perPod: 2 }, [[15, 1]], 3, 12],
]

for (const [what, { first, blocks, perPod }, held, wanted, start] of others) {
  t.test(`${wanted} blocks of ${blocks}, ${perPod} by default: ${what}`, async (t) => {
    const space = new IdSpace({
      firstID: first * BLOCK,
      count: blocks * BLOCK,
      idsPerPod: perPod * BLOCK,
    })
    for (const [at, length] of held) space.hold({ hostID: at * BLOCK, length: length * BLOCK })
    const before = space.freeBlocks
    const range = space.allocate(wanted * BLOCK)
    t.same(range, start && { hostID: start * BLOCK, length: wanted * BLOCK })
    t.equal(before - space.freeBlocks, range ? wanted : 0)
  })
}

t.test('of another length, too, the one that has rested longest', async (t) => {
  const space = new IdSpace(spanOf(6))
  const twos = [1, 2, 3].map(() => space.allocate(2 * BLOCK)!)
  t.same(
    twos.map(({ hostID }) => hostID / BLOCK),
    [2, 4, 6],
  )
  for (const index of [1, 2, 0]) space.letGo(twos[index]!)
  t.same(space.allocate(2 * BLOCK), twos[1])
  const single = space.allocate()!
  t.same(single, { hostID: 6 * BLOCK, length: BLOCK }, 'of one block, the same order')
  space.letGo(single)
  t.same(space.allocate(2 * BLOCK), twos[0], 'the last release of any block counts')
})

t.test('a default range of several blocks is free when all of them are', async (t) => {
  const space = new IdSpace({ firstID: 4 * BLOCK, count: 8 * BLOCK, idsPerPod: 4 * BLOCK })
  const one = { hostID: 6 * BLOCK, length: BLOCK }
  space.hold(one)
  t.equal(space.free, 1)
  t.equal(space.freeBlocks, 7)
  t.same(space.allocate(), { hostID: 8 * BLOCK, length: 4 * BLOCK })
  t.equal(space.allocate(), undefined)
  space.letGo(one)
  t.same(space.allocate(), { hostID: 4 * BLOCK, length: 4 * BLOCK })
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
        if (at < 0) break
        space.hold(range)
        taken.push(...free.splice(at, 1))
        break
      default: {
        const [released = hostID] = taken.splice(random(taken.length), 1)
        space.letGo({ hostID: released, length: BLOCK })
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

/** All that is known of each block, said anew in the plainest way. */
t.test('random churn of all lengths: no block is given twice, and none is lost', async (t) => {
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  for (const perPod of [1, 4]) {
    const span = { firstID: 4 * BLOCK, count: 64 * BLOCK, idsPerPod: perPod * BLOCK }
    const space = new IdSpace(span)
    const taken: IdRange[] = []
    const isTaken = (block: number) =>
      taken.some(({ hostID, length }) => block * BLOCK >= hostID && block * BLOCK < hostID + length)
    const couldHold = (length: number) =>
      Array.from({ length: 64 }, (_, at) => at + 4).some(
        (first) =>
          first % length === 0 &&
          first + length <= 68 &&
          !Array.from({ length }, (_, at) => first + at).some(isTaken),
      )
    for (let step = 0; step < 3000; step++) {
      if (random(2)) {
        const length = random(2) ? perPod : 1 + random(9)
        const possible = couldHold(length)
        const range = space.allocate(length * BLOCK)
        if (possible !== (range !== undefined)) t.fail(`step ${step}: ${length} blocks`)
        if (!range) continue
        if (range.hostID % range.length !== 0) t.fail(`step ${step}: ${printRange(range)} is not aligned`)
        for (let id = range.hostID; id < range.hostID + range.length; id += BLOCK)
          if (isTaken(id / BLOCK)) t.fail(`step ${step}: ${printRange(range)} is given twice`)
        taken.push(range)
      } else {
        for (const range of taken.splice(random(taken.length), 1)) space.letGo(range)
      }
      const blocks = taken.reduce((sum, { length }) => sum + length / BLOCK, 0)
      if (space.freeBlocks !== 64 - blocks) t.fail(`step ${step}: ${space.freeBlocks} blocks are free`)
    }
    for (const range of taken) space.letGo(range)
    t.equal(space.free, 64 / perPod)
  }
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
    for (const range of freed ? [freed] : ranges) space.letGo(range)
    const start = performance.now()
    for (let i = 0; i < pairs; i++) space.letGo(space.allocate()!)
    const seconds = (performance.now() - start) / 1000
    t.comment(`${state}: ${(pairs / seconds / 1e6).toFixed(1)} million allocations and releases a second`)
    t.equal(space.free, freed ? 1 : 65534)
  }

  const searches = 100
  for (const blocks of [2, 16, 1024]) {
    const start = performance.now()
    for (let i = 0; i < searches; i++) space.letGo(space.allocate(blocks * BLOCK)!)
    const ms = (performance.now() - start) / searches
    t.comment(`${blocks} blocks, the widest span empty: ${ms.toFixed(2)} ms a search`)
  }
})

t.test('the bookkeeping of all blocks', async (t) => {
  const before = process.memoryUsage().arrayBuffers
  const space = new IdSpace(WIDEST)
  const bytes = process.memoryUsage().arrayBuffers - before
  t.equal(space.blocks, 65534)
  t.ok(bytes <= 1_000_000, `${bytes} bytes`)
  t.comment(`${bytes} bytes`)
})
