import type { IdRange } from './range.js'
import type { IdSpace } from './space.js'

/**
 * Ranges of an IdSpace that more than one may hold: a pod of ours, and any number of others who claim the same ids.
 * A range is free again when the last of them has let go.
 */
export class Holds {
  readonly #space: IdSpace
  readonly #holders = new Map<number, number>()

  constructor(space: IdSpace) {
    this.#space = space
  }

  /** A range that nobody held; undefined when there is none. */
  allocate(): IdRange | undefined {
    const range = this.#space.allocate()
    if (range) this.#holders.set(range.hostID, 1)
    return range
  }

  hold(range: IdRange): void {
    this.#space.take(range)
    this.#holders.set(range.hostID, (this.#holders.get(range.hostID) ?? 0) + 1)
  }

  /** Once for each allocate or hold. */
  letGo(range: IdRange): void {
    const others = (this.#holders.get(range.hostID) ?? 0) - 1
    if (others > 0) {
      this.#holders.set(range.hostID, others)
    } else {
      this.#holders.delete(range.hostID)
      this.#space.release(range)
    }
  }
}
