import { checkSpan, type IdRange, printRange, type Span } from './range.js'

/**
 * Which ranges of a span are free. Every operation is O(1).
 *
 * The free slots (a slot is idsPerPod ids) form a doubly linked ring through two arrays, first freed, first used: a
 * freed range rests as long as possible, so that files and processes left behind by its last pod have time to go.
 */
export class IdSpace {
  readonly span: Span
  readonly total: number
  #free: number
  /** Slot numbers; the slot after the last is the ring's anchor, and a taken slot points at itself. */
  readonly #next: Uint16Array
  readonly #previous: Uint16Array

  /** @throws RangeError for a span that checkSpan refuses; a good one has 65,534 slots at most, so that 16 bits do */
  constructor(span: Span) {
    checkSpan(span, 1)
    this.span = span
    this.total = this.#free = span.count / span.idsPerPod
    const slots = this.total + 1
    this.#next = Uint16Array.from({ length: slots }, (_, slot) => (slot + 1) % slots)
    this.#previous = Uint16Array.from({ length: slots }, (_, slot) => (slot + slots - 1) % slots)
  }

  get free(): number {
    return this.#free
  }

  /** The range that has been free for longest; undefined when none is. */
  allocate(): IdRange | undefined {
    const slot = this.#next[this.total]!
    if (slot === this.total) return undefined
    this.#unlink(slot)
    const { firstID, idsPerPod } = this.span
    return { hostID: firstID + slot * idsPerPod, length: idsPerPod }
  }

  /** False when the range is not free. */
  take(range: IdRange): boolean {
    const slot = this.#slotOf(range)
    if (!this.#isLinked(slot)) return false
    this.#unlink(slot)
    return true
  }

  /** Of a free range: nothing. */
  release(range: IdRange): void {
    const slot = this.#slotOf(range)
    if (this.#isLinked(slot)) return
    const anchor = this.total
    const last = this.#previous[anchor]!
    this.#next[last] = slot
    this.#previous[slot] = last
    this.#next[slot] = anchor
    this.#previous[anchor] = slot
    this.#free++
  }

  isFree(range: IdRange): boolean {
    return this.#isLinked(this.#slotOf(range))
  }

  /** The ranges, free or not, that share an id with any run of ids; what lies outside the span has none. */
  rangesTouching({ hostID, length }: IdRange): IdRange[] {
    const { firstID, count, idsPerPod } = this.span
    const end = Math.min(hostID + length, firstID + count)
    const ranges: IdRange[] = []
    let id = Math.max(firstID, hostID - (hostID % idsPerPod))
    for (; id < end; id += idsPerPod) ranges.push({ hostID: id, length: idsPerPod })
    return ranges
  }

  #isLinked(slot: number): boolean {
    return this.#next[slot] !== slot
  }

  #unlink(slot: number): void {
    const next = this.#next[slot]!
    const previous = this.#previous[slot]!
    this.#next[previous] = next
    this.#previous[next] = previous
    this.#next[slot] = slot
    this.#free--
  }

  #slotOf(range: IdRange): number {
    const { firstID, idsPerPod } = this.span
    const slot = (range.hostID - firstID) / idsPerPod
    if (range.length !== idsPerPod || !Number.isInteger(slot) || slot < 0 || slot >= this.total) {
      throw new RangeError(`${printRange(range)} is not one of the span's ranges of ${idsPerPod} ids`)
    }
    return slot
  }
}
