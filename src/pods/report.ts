import type { PodRow, Status } from '../admin/protocol.js'
import type { PodEntry } from '../ledger/entry.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Span } from '../ranges/range.js'

export interface Connection {
  readonly state: 'connected' | 'disconnected'
  readonly reason?: string | undefined
}

/** What the admin is shown of the daemon. */
export class Report {
  readonly #version: string
  readonly #ranges: Span
  readonly #started = new Date()
  /** Undefined while the feature is switched off: then nothing is known of ranges. */
  #ledger: Ledger | undefined
  /** Sandboxes that the runtime has stopped and not yet removed. */
  readonly stopped = new Set<string>()
  connection: Connection | undefined
  /** Name and version, once it has told them. */
  runtime: string | undefined

  constructor(version: string, ranges: Span) {
    this.#version = version
    this.#ranges = ranges
  }

  cover(ledger: Ledger): void {
    this.#ledger = ledger
  }

  status(): Status {
    const { firstID, count, idsPerPod } = this.#ranges
    const usage = this.#ledger?.usage ?? { total: 0, used: 0, avoided: 0, free: 0, limit: 0 }
    return {
      version: this.#version,
      pid: process.pid,
      since: this.#started.toISOString(),
      enabled: this.#ledger !== undefined,
      nri: { state: 'off', ...this.connection, ...(this.runtime !== undefined && { runtime: this.runtime }) },
      ranges: { firstID, count, idsPerPod, ...usage },
    }
  }

  list(): PodRow[] {
    return [...(this.#ledger?.entries() ?? [])].map((entry) => ({
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

  #stateOf(entry: PodEntry): PodRow['state'] {
    const sandboxes = [...entry.sandboxes.values()]
    if (sandboxes.some(({ id, confirmed }) => confirmed && !this.stopped.has(id))) return 'running'
    if (sandboxes.some(({ id }) => this.stopped.has(id))) return 'stopped'
    // A record from before this daemon's start, which the runtime has not spoken for yet.
    return entry.since < this.#started ? 'unknown' : 'creating'
  }
}
