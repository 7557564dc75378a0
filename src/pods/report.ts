import type { PodRow, Status } from '../admin/protocol.js'
import type { PodEntry } from '../ledger/entry.js'
import type { Ledger } from '../ledger/ledger.js'

export interface Connection {
  readonly state: 'connected' | 'disconnected'
  readonly reason?: string | undefined
}

/** Of a daemon that is switched off. */
const NOTHING = {
  span: { firstID: 0, count: 0, idsPerPod: 0 },
  usage: { total: 0, used: 0, avoided: 0, free: 0, pods: 0, limit: 0 },
}

/** What the admin is shown of the daemon. */
export class Report {
  readonly #version: string
  readonly #started = new Date()
  readonly #enabled: boolean
  #ledger: Ledger | undefined
  /** Sandboxes that the runtime has stopped and not yet removed. */
  readonly #stopped = new Set<string>()
  #connection: Connection | undefined
  #runtime: string | undefined

  constructor(version: string, enabled: boolean) {
    this.#version = version
    this.#enabled = enabled
  }

  /** Until then a daemon that is not switched off is starting. */
  cover(ledger: Ledger): void {
    this.#ledger = ledger
  }

  /** Name and version of the container runtime, once it has told them. */
  get runtime(): string | undefined {
    return this.#runtime
  }

  runtimeIs(runtime: string): void {
    this.#runtime = runtime
  }

  connectionIs(connection: Connection): void {
    this.#connection = connection
  }

  sandboxStopped(sandboxID: string): void {
    this.#stopped.add(sandboxID)
  }

  /** At a new connection: what was removed in the meantime is forgotten. */
  runtimeLists(sandboxIDs: readonly string[]): void {
    const listed = new Set(sandboxIDs)
    for (const id of this.#stopped) if (!listed.has(id)) this.#stopped.delete(id)
  }

  sandboxRemoved(sandboxID: string): void {
    this.#stopped.delete(sandboxID)
  }

  status(): Status {
    const { span, usage } = this.#present() ?? NOTHING
    return {
      version: this.#version,
      pid: process.pid,
      since: this.#started.toISOString(),
      enabled: this.#enabled,
      nri: {
        ...(this.#connection ?? { state: this.#enabled ? 'disconnected' : 'off' }),
        runtime: this.#runtime,
      },
      ranges: { ...span, ...usage },
    }
  }

  list(): PodRow[] {
    return [...(this.#present()?.entries() ?? [])].map((entry) => ({
      namespace: entry.namespace ?? '',
      pod: entry.name ?? '',
      uid: entry.podUID,
      firstID: entry.range.hostID,
      lastID: entry.range.hostID + entry.range.length - 1,
      state: this.#stateOf(entry),
      sandboxes: [...entry.sandboxes.keys()],
      since: entry.since.toISOString(),
    }))
  }

  /** Undefined while the feature is switched off: then nothing is known of ranges. */
  #present(): Ledger | undefined {
    if (this.#enabled && !this.#ledger) throw new Error('the daemon is starting, ask again in a moment')
    return this.#ledger
  }

  #stateOf(entry: PodEntry): PodRow['state'] {
    const sandboxes = [...entry.sandboxes.values()]
    if (sandboxes.some(({ id, confirmed }) => confirmed && !this.#stopped.has(id))) return 'running'
    if (sandboxes.some(({ id }) => this.#stopped.has(id))) return 'stopped'
    // A record from before this daemon's start, which the runtime has not spoken for yet.
    return entry.since < this.#started ? 'unknown' : 'creating'
  }
}
