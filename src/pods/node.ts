import { join } from 'node:path'
import type { Work } from '../kernel/work.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Logger } from '../observe/log.js'
import type { Policy } from '../policy/rules.js'

/** What the life of a pod touches on its node. */
export interface Node {
  readonly ledger: Ledger
  readonly perform: (works: readonly Work[]) => Promise<void>
  readonly log: Logger
  /** Sandboxes whose start the runtime has told of over the present NRI connection: it will tell of their removal too. */
  readonly announced: Set<string>
  /** The directory below which each sandbox's sysfs is mounted. */
  readonly sysfsDirectory: string
  /** Ids of a pod's range. */
  readonly idsPerPod: number
  /** As it is now: another when the config has been read again, so who decides something takes it once. */
  readonly policy: Policy
}

export const sysfsOf = (node: Node, sandboxID: string): string => join(node.sysfsDirectory, sandboxID)

/** Milliseconds since `start`, a time of performance.now(), to a hundredth. */
export const since = (start: number): number => Math.round((performance.now() - start) * 100) / 100
