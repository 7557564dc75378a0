import { checkSpan, type IdRange, type Span } from '../ranges/range.js'
import { printRecord } from '../ranges/record.js'
import {
  type PodEntry,
  type PodNames,
  printPod,
  type Sandbox,
  withNames,
  withoutSandbox,
  withSandbox,
} from './entry.js'
import { RecordError, ReleaseError } from './errors.js'
import { checkBundle, checkName } from './names.js'
import { type ClaimKind, Owners, type Usage } from './owners.js'
import { recover } from './recover.js'
import { Store } from './store.js'
import { Turns } from './turns.js'

export interface LedgerOptions {
  /** Holds `pods/`; made when it is missing. No other process may write there. */
  readonly directory: string
  readonly span: Span
  /** Pods that may have a range at once, 1 or more. */
  readonly podLimit: number
  /** Told of what failed when nobody waits for it any more: flushing to the disk, tidying up. */
  readonly onProblem: (error: Error) => void
}

export interface Pod extends PodNames {
  readonly uid: string
}

/**
 * Who owns which range, in memory and on disk. A range is on disk before it is given out, and off the disk before
 * another pod can get it. Calls for one pod take effect in the order in which they were made.
 */
export class Ledger {
  readonly #store: Store
  readonly #owners: Owners
  readonly #turns = new Turns()

  private constructor(store: Store, owners: Owners) {
    this.#store = store
    this.#owners = owners
  }

  /**
   * Reads what is on disk. Rejects with a sentence for a span that can't be, a directory that can't be read, and a
   * record that can't stand; no record is changed then.
   */
  static async open({ directory, span, podLimit, onProblem }: LedgerOptions): Promise<Ledger> {
    checkSpan(span, podLimit)
    const store = new Store(directory, onProblem)
    const owners = new Owners(span, podLimit)
    const pods = await store.readAll()
    for (const entry of recover(pods, span, (podUID) => store.recordOf(podUID))) owners.adopt(entry)
    for (const { podUID, text } of pods) if (!text) await store.remove(podUID).catch(onProblem)
    return new Ledger(store, owners)
  }

  /**
   * The pod's range, given now if it has none, and the sandbox recorded with it.
   * @param length of the range in ids, a multiple of BLOCK, by default the span's idsPerPod; a pod that has one keeps that
   * Rejects with PodLimitError, SpaceExhaustedError or RecordError, and for names that can't be files' names.
   */
  async assign(
    pod: Pod,
    { id, bundle }: Pick<Sandbox, 'id' | 'bundle'>,
    length?: number,
  ): Promise<{ range: IdRange; isNew: boolean }> {
    checkName('pod uid', pod.uid)
    checkName('sandbox id', id)
    checkBundle(bundle)
    this.#owners.reserve(id, pod.uid)
    return this.#turns.run(pod.uid, async () => {
      const known = this.find(pod.uid)
      try {
        const entry = known ?? (await this.#create(pod, length))
        const confirmed = entry.sandboxes.get(id)?.confirmed ?? false
        await this.#record(withNames(entry, pod), { id, bundle, confirmed })
        return { range: entry.range, isNew: !known }
      } catch (error) {
        this.#owners.unreserve(id, pod.uid)
        const created = this.find(pod.uid)
        if (!known && created) await this.#remove(created)
        throw error
      }
    })
  }

  find(podUID: string): PodEntry | undefined {
    return this.#owners.find(podUID)
  }

  podOfSandbox(sandboxID: string): PodEntry | undefined {
    const entry = this.find(this.#owners.podUIDOf(sandboxID) ?? '')
    return entry?.sandboxes.has(sandboxID) ? entry : undefined
  }

  /** The runtime runs this sandbox. One that is new is recorded on disk if its bundle is told. Undefined: no pod of ours. */
  async confirm(
    podUID: string,
    sandboxID: string,
    { bundle, ...names }: PodNames & { readonly bundle?: string | undefined },
  ): Promise<PodEntry | undefined> {
    return this.#turns.run(podUID, async () => {
      const entry = this.find(podUID)
      if (!entry) return undefined
      this.#owners.reserve(sandboxID, podUID)
      const known = entry.sandboxes.get(sandboxID)
      const sandbox = { id: sandboxID, bundle: bundle ?? known?.bundle ?? '', confirmed: true }
      try {
        return await this.#record(withNames(entry, names), sandbox)
      } catch (error) {
        this.#owners.unreserve(sandboxID, podUID)
        throw error
      }
    })
  }

  /**
   * The sandbox is gone; with its pod's last one the range is released, and that entry is returned. Unknown: nothing.
   * Rejects with ReleaseError, and then nothing has changed.
   */
  async dropSandbox(sandboxID: string): Promise<PodEntry | undefined> {
    const podUID = this.#owners.podUIDOf(sandboxID)
    if (podUID === undefined) return undefined
    return this.#turns.run(podUID, async () => {
      const entry = this.find(podUID)
      if (!entry?.sandboxes.has(sandboxID)) return undefined
      if (entry.sandboxes.size === 1) return this.#remove(entry)
      await this.#orKeep(entry, this.#store.removeSandbox(podUID, sandboxID))
      this.#owners.set(withoutSandbox(entry, sandboxID))
      return undefined
    })
  }

  /**
   * Takes the pod's range back and returns its last entry. Unknown: nothing.
   * Rejects with ReleaseError when its file can't be removed: the range then stays taken.
   * @param seen releases only while this is still the pod's entry: what was decided about it may be out of date
   */
  async release(podUID: string, seen?: PodEntry): Promise<PodEntry | undefined> {
    return this.#turns.run(podUID, async () => {
      const entry = this.find(podUID)
      if (!entry || (seen && seen !== entry)) return undefined
      return this.#remove(entry)
    })
  }

  /**
   * Never hands out what these ranges touch, until stopAvoiding; replaces the claim's earlier ranges.
   * They need be neither aligned nor inside the span. Returns the pods of ours that they touch already.
   */
  avoid(claim: string, ranges: Iterable<IdRange>, kind: ClaimKind = 'passing'): PodEntry[] {
    return this.#owners.avoid(claim, ranges, kind)
  }

  /** Unknown: nothing. */
  stopAvoiding(claim: string): void {
    this.#owners.stopAvoiding(claim)
  }

  /** What avoid was called with and not yet stopped. */
  claims(kind: ClaimKind): string[] {
    return this.#owners.claims(kind)
  }

  get span(): Span {
    return this.#owners.span
  }

  entries(): Iterable<PodEntry> {
    return this.#owners.entries()
  }

  get usage(): Usage {
    return this.#owners.usage
  }

  /** Resolves when what was recorded so far is on the disk, or onProblem was told that it is not. */
  flush(): Promise<void> {
    return this.#store.flush()
  }

  async #create(pod: Pod, length: number | undefined): Promise<PodEntry> {
    const { uid: podUID, namespace, name } = pod
    const range = this.#owners.allocate(podUID, pod, length)
    try {
      await this.#store.write(podUID, printRecord(range))
    } catch (error) {
      this.#owners.free(range)
      throw new RecordError(printPod(podUID, pod), error)
    }
    const entry = { podUID, range, since: new Date(), sandboxes: new Map(), namespace, name }
    this.#owners.set(entry)
    return entry
  }

  async #record(entry: PodEntry, sandbox: Sandbox): Promise<PodEntry> {
    const { podUID, sandboxes } = entry
    if (sandbox.bundle !== '' && sandbox.bundle !== sandboxes.get(sandbox.id)?.bundle) {
      try {
        await this.#store.addSandbox(podUID, sandbox.id, sandbox.bundle)
      } catch (error) {
        throw new RecordError(printPod(podUID, entry), error)
      }
    }
    const recorded = withSandbox(entry, sandbox)
    this.#owners.set(recorded)
    return recorded
  }

  async #remove(entry: PodEntry): Promise<PodEntry> {
    await this.#orKeep(entry, this.#store.remove(entry.podUID))
    this.#owners.delete(entry)
    return entry
  }

  async #orKeep(entry: PodEntry, removal: Promise<void>): Promise<void> {
    try {
      await removal
    } catch (error) {
      throw new ReleaseError(printPod(entry.podUID, entry), entry.range, error)
    }
  }
}
