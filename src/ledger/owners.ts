import { BLOCK, type IdRange, type Span } from '../ranges/range.js'
import { IdSpace } from '../ranges/space.js'
import { type PodEntry, type PodNames, printPod } from './entry.js'
import { PodLimitError, SpaceExhaustedError } from './errors.js'

/** total, used, avoided and free are blocks of 65,536 ids; total = used + avoided + free. */
export interface Usage {
  readonly total: number
  readonly used: number
  readonly avoided: number
  readonly free: number
  /** Pods that have a range, and that may have one. */
  readonly pods: number
  readonly limit: number
}

/**
 * passing: of somebody who lives, a pod or a user namespace, and ends with them; standing: of somebody whom the host's
 * files give the ids, and ends when they say so.
 */
export type ClaimKind = 'passing' | 'standing'

/** Who owns which range, in memory. */
export class Owners {
  readonly #space: IdSpace
  readonly #limit: number
  readonly #entries = new Map<string, PodEntry>()
  /** By the first id of each block, from allocation on: also of a pod whose record is still being written. */
  readonly #podUIDs = new Map<number, string>()
  #pods = 0
  /** By sandbox id, from reservation on. */
  readonly #podUIDsBySandbox = new Map<string, string>()
  readonly #claims = new Map<string, { readonly kind: ClaimKind; readonly held: readonly IdRange[] }>()

  constructor(span: Span, limit: number) {
    this.#space = new IdSpace(span)
    this.#limit = limit
  }

  /**
   * @param length in ids, a multiple of BLOCK
   * @throws PodLimitError, SpaceExhaustedError
   */
  allocate(podUID: string, names: PodNames, length = this.span.idsPerPod): IdRange {
    if (this.#pods >= this.#limit) throw new PodLimitError(printPod(podUID, names), this.#limit)
    const range = this.#space.allocate(length)
    if (!range) throw new SpaceExhaustedError(printPod(podUID, names), length, this.usage)
    this.#give(range, podUID)
    return range
  }

  /** Of an allocation that came to nothing. */
  free(range: IdRange): void {
    for (let id = range.hostID; id < range.hostID + range.length; id += BLOCK) this.#podUIDs.delete(id)
    this.#pods--
    this.#space.letGo(range)
  }

  /** An entry found on disk; nobody else's range. */
  adopt(entry: PodEntry): void {
    this.#space.hold(entry.range)
    this.#give(entry.range, entry.podUID)
    this.set(entry)
  }

  #give(range: IdRange, podUID: string): void {
    for (let id = range.hostID; id < range.hostID + range.length; id += BLOCK) this.#podUIDs.set(id, podUID)
    this.#pods++
  }

  /** The present entry of a pod that has its range. */
  set(entry: PodEntry): void {
    for (const id of this.find(entry.podUID)?.sandboxes.keys() ?? []) this.#podUIDsBySandbox.delete(id)
    for (const id of entry.sandboxes.keys()) this.#podUIDsBySandbox.set(id, entry.podUID)
    this.#entries.set(entry.podUID, entry)
  }

  delete(entry: PodEntry): void {
    for (const id of entry.sandboxes.keys()) this.#podUIDsBySandbox.delete(id)
    this.#entries.delete(entry.podUID)
    this.free(entry.range)
  }

  find(podUID: string): PodEntry | undefined {
    return this.#entries.get(podUID)
  }

  /** Of a recorded sandbox, or of one that is reserved and may be recorded soon. */
  podUIDOf(sandboxID: string): string | undefined {
    return this.#podUIDsBySandbox.get(sandboxID)
  }

  /** @throws Error in words when the sandbox is another pod's */
  reserve(sandboxID: string, podUID: string): void {
    const owner = this.#podUIDsBySandbox.get(sandboxID)
    if (owner !== undefined && owner !== podUID) {
      throw new Error(`sandbox ${sandboxID} of pod ${podUID} is recorded as one of pod ${owner} already`)
    }
    this.#podUIDsBySandbox.set(sandboxID, podUID)
  }

  /** Takes a reservation back, unless the sandbox was recorded. */
  unreserve(sandboxID: string, podUID: string): void {
    if (!this.find(podUID)?.sandboxes.has(sandboxID)) this.#podUIDsBySandbox.delete(sandboxID)
  }

  /** Holds what the ranges touch in place of what the claim held; returns the pods that own some of it. */
  avoid(claim: string, ranges: Iterable<IdRange>, kind: ClaimKind = 'passing'): PodEntry[] {
    const held = [...ranges].flatMap((range) => this.#space.touched(range) ?? [])
    for (const range of held) this.#space.hold(range)
    this.stopAvoiding(claim)
    this.#claims.set(claim, { kind, held })
    const podUIDs = held.flatMap(idsOfBlocks).flatMap((id) => this.#podUIDs.get(id) ?? [])
    return [...new Set(podUIDs)].flatMap((podUID) => this.find(podUID) ?? [])
  }

  stopAvoiding(claim: string): void {
    for (const range of this.#claims.get(claim)?.held ?? []) this.#space.letGo(range)
    this.#claims.delete(claim)
  }

  claims(kind: ClaimKind): string[] {
    return [...this.#claims].filter(([, claim]) => claim.kind === kind).map(([name]) => name)
  }

  get span(): Span {
    return this.#space.span
  }

  entries(): Iterable<PodEntry> {
    return this.#entries.values()
  }

  get usage(): Usage {
    const { blocks: total, freeBlocks: free } = this.#space
    const used = this.#podUIDs.size
    return { total, used, avoided: total - free - used, free, pods: this.#pods, limit: this.#limit }
  }
}

/** The first id of each block. */
const idsOfBlocks = ({ hostID, length }: IdRange): number[] =>
  Array.from({ length: length / BLOCK }, (_, block) => hostID + block * BLOCK)
