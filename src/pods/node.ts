import { join } from 'node:path'
import type { ContainerdLabels } from '../containerd/labels.js'
import type { IdmapSupport, Volume, Work } from '../kernel/work.js'
import type { Ledger } from '../ledger/ledger.js'
import type { Logger } from '../observe/log.js'
import type { Policy } from '../policy/rules.js'
import type { Other } from '../ranges/others.js'
import type { IdRange } from '../ranges/range.js'

/** What the life of a pod touches on its node. */
export interface Node {
  readonly ledger: Ledger
  readonly perform: (works: readonly Work[]) => Promise<void>
  readonly probe: (volumes: readonly Volume[], range: IdRange) => Promise<IdmapSupport[]>
  /** What becomes of a volume that the kernel can't map. */
  readonly unsupportedVolumes: 'refuse' | 'plain'
  readonly log: Logger
  /** Sandboxes whose start the runtime has told of over the present NRI connection: it will tell of their removal too. */
  readonly announced: Set<string>
  /** The directory below which each sandbox's sysfs is mounted. */
  readonly sysfsDirectory: string
  /** The directory in which the user namespaces that own a sandbox's netns are kept. */
  readonly usernsDirectory: string
  /** What a pod's netns belongs to: its own user namespace, which a sandbox is then refused without, or the host's. */
  readonly network: 'owned' | 'shared'
  /** Ids of a pod's range, where the policy doesn't say. */
  readonly idsPerPod: number
  /** Who knows the labels of pods. */
  readonly containerd: ContainerdLabels
  /** Who else owns ids of this host, read anew; rejects when that can't be known. */
  readonly readOthers: () => Promise<readonly Other[]>
  /** How much of an event it is that one of them owns ids of the span. */
  readonly othersLevel: 'info' | 'warn'
  /** As it is now: another when the config has been read again, so who decides something takes it once. */
  readonly policy: Policy
}

export const sysfsOf = (node: Node, sandboxID: string): string => join(node.sysfsDirectory, sandboxID)

export const pinOf = (node: Node, sandboxID: string): string => join(node.usernsDirectory, sandboxID)

/** Milliseconds since `start`, a time of performance.now(), to a hundredth. */
export const since = (start: number): number => Math.round((performance.now() - start) * 100) / 100
