import { BLOCK, checkSpan, type IdRange, printRange, type Span } from './range.js'

/**
 * Which blocks of a span are free, and how many hold each of the others: a pod of ours, and any number of others who
 * claim the same ids. A block is free again when the last of them has let go.
 *
 * Ranges of the default length, idsPerPod, are dealt out from slots of that length in O(1): the slots that are wholly
 * free form a doubly linked ring through two arrays, first freed, first used. A freed range rests as long as possible, so
 * that files and processes left behind by its last pod have time to go. A range of another length is looked for block by
 * block. 14 bytes a block: all blocks of a host make less than 1 MB.
 */
export class IdSpace {
  readonly span: Span
  /** Ranges of idsPerPod ids. */
  readonly total: number
  readonly blocks: number
  readonly #blocksPerSlot: number
  #free: number
  #freeBlocks: number
  /** Slot numbers; the slot after the last is the ring's anchor, and a slot that isn't wholly free points at itself. */
  readonly #next: Uint16Array
  readonly #previous: Uint16Array
  /** Of each slot, how many of its blocks are held. */
  readonly #heldBlocks: Uint16Array
  /** Of each block, how many hold it: of users of a host, 65,536 may have an id in one, and as many groups. */
  readonly #holders: Uint32Array
  /** Of each block, which release was its last, counted from 1. */
  readonly #freedAt: Uint32Array
  #releases = 0

  /** @throws RangeError for a span that checkSpan refuses; a good one has 65,534 blocks at most, so that 16 bits do */
  constructor(span: Span) {
    checkSpan(span, 1)
    this.span = span
    this.total = this.#free = span.count / span.idsPerPod
    this.blocks = this.#freeBlocks = span.count / BLOCK
    this.#blocksPerSlot = span.idsPerPod / BLOCK
    const slots = this.total + 1
    this.#next = Uint16Array.from({ length: slots }, (_, slot) => (slot + 1) % slots)
    this.#previous = Uint16Array.from({ length: slots }, (_, slot) => (slot + slots - 1) % slots)
    this.#heldBlocks = new Uint16Array(this.total)
    this.#holders = new Uint32Array(this.blocks)
    this.#freedAt = new Uint32Array(this.blocks)
  }

  /** Ranges of idsPerPod ids that could be allocated. */
  get free(): number {
    return this.#free
  }

  get freeBlocks(): number {
    return this.#freeBlocks
  }

  /**
   * Holds the range that has been free for longest; undefined when none is. It begins at a multiple of its length, as the
   * kubelet's do.
   * @param length of the range in ids, a multiple of BLOCK and not 0
   */
  allocate(length = this.span.idsPerPod): IdRange | undefined {
    const first = length === this.span.idsPerPod ? this.#firstSlot() : this.#longestRested(length / BLOCK)
    if (first === undefined) return undefined
    const range = { hostID: this.span.firstID + first * BLOCK, length }
    this.hold(range)
    return range
  }

  /** Of a range that may be held by others. */
  hold(range: IdRange): void {
    const [first, end] = this.#blocksOf(range)
    for (let block = first; block < end; block++) if (this.#holders[block]!++ === 0) this.#take(block)
  }

  /** Once for each allocate or hold; of a free block: nothing. */
  letGo(range: IdRange): void {
    const [first, end] = this.#blocksOf(range)
    for (let block = first; block < end; block++) {
      if (this.#holders[block] === 0) continue
      if (--this.#holders[block]! === 0) this.#release(block)
    }
  }

  isFree(range: IdRange): boolean {
    const [first, end] = this.#blocksOf(range)
    return this.#holders.subarray(first, end).every((holders) => holders === 0)
  }

  /** The blocks, free or not, that share an id with any run of ids, in one piece; what lies outside the span has none. */
  touched({ hostID, length }: IdRange): IdRange | undefined {
    const { firstID, count } = this.span
    const first = Math.max(firstID, hostID - (hostID % BLOCK))
    const end = Math.min(Math.ceil((hostID + length) / BLOCK) * BLOCK, firstID + count)
    return first < end ? { hostID: first, length: end - first } : undefined
  }

  #firstSlot(): number | undefined {
    const slot = this.#next[this.total]!
    return slot === this.total ? undefined : slot * this.#blocksPerSlot
  }

  /**
   * The first of so many free blocks, aligned to that number: those that break the fewest wholly free slots, and of these
   * whose last release is the longest ago.
   */
  #longestRested(blocks: number): number | undefined {
    const ahead = (this.span.firstID / BLOCK) % blocks
    let best: { readonly start: number; readonly broken: number; readonly freedAt: number } | undefined
    for (let start = (blocks - ahead) % blocks; start + blocks <= this.blocks; start += blocks) {
      const run = this.#runAt(start, start + blocks)
      if (!run) continue
      const isBetter = best && (run.broken - best.broken || run.freedAt - best.freedAt) < 0
      if (!best || isBetter) best = { start, ...run }
    }
    return best?.start
  }

  /** Undefined when any of the blocks is held. */
  #runAt(start: number, end: number): { broken: number; freedAt: number } | undefined {
    let broken = 0
    let freedAt = 0
    for (let block = start; block < end; block++) {
      if (this.#holders[block] !== 0) return undefined
      freedAt = Math.max(freedAt, this.#freedAt[block]!)
      const isFirstOfSlot = block === start || block % this.#blocksPerSlot === 0
      if (isFirstOfSlot && this.#heldBlocks[this.#slotOf(block)] === 0) broken++
    }
    return { broken, freedAt }
  }

  #take(block: number): void {
    this.#freeBlocks--
    const slot = this.#slotOf(block)
    if (this.#heldBlocks[slot]!++ > 0) return
    const next = this.#next[slot]!
    const previous = this.#previous[slot]!
    this.#next[previous] = next
    this.#previous[next] = previous
    this.#next[slot] = slot
    this.#free--
  }

  #release(block: number): void {
    this.#freeBlocks++
    this.#freedAt[block] = ++this.#releases
    const slot = this.#slotOf(block)
    if (--this.#heldBlocks[slot]! > 0) return
    const anchor = this.total
    const last = this.#previous[anchor]!
    this.#next[last] = slot
    this.#previous[slot] = last
    this.#next[slot] = anchor
    this.#previous[anchor] = slot
    this.#free++
  }

  #slotOf(block: number): number {
    return Math.floor(block / this.#blocksPerSlot)
  }

  /** The first block's number in the span, and that after the last. */
  #blocksOf(range: IdRange): [first: number, end: number] {
    const first = (range.hostID - this.span.firstID) / BLOCK
    const end = first + range.length / BLOCK
    if (
      !Number.isInteger(first) ||
      !Number.isInteger(end) ||
      first < 0 ||
      end <= first ||
      end > this.blocks
    ) {
      throw new RangeError(`${printRange(range)} is no run of the span's blocks of ${BLOCK} ids`)
    }
    return [first, end]
  }
}
