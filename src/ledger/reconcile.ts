import { type IdRange, overlaps, printRange } from '../ranges/range.js'
import { type PodEntry, printPod, type Sandbox } from './entry.js'

/** What the three sources say: ledger, runtime, kernel. */
export interface Sources {
  /** Read last: a pod that came while the others were asked must not look like an orphan, nor its process like a foreign one. */
  readonly entries: Iterable<PodEntry>
  /** Every sandbox that the runtime lists; undefined when it can't be asked. */
  readonly runtime: Iterable<{ readonly sandboxID: string; readonly podUID: string }> | undefined
  /** Processes in user namespaces, with the host ids that their uid_map maps to. */
  readonly live: Iterable<{ readonly pid: number; readonly ranges: readonly IdRange[] }>
  /** False only for a bundle that is known to be gone. */
  readonly bundleExists: (sandbox: Sandbox) => boolean
}

export interface Plan {
  /** Orphans: no source but the ledger knows them. Release them as they were seen here. */
  readonly release: PodEntry[]
  /** Ids of gone sandboxes of pods that stay and have another sandbox. */
  readonly dropSandboxes: string[]
  /** Ids in use by processes that are none of our pods', to be avoided; a claim's name tells its range. */
  readonly foreign: { readonly claim: string; readonly ranges: IdRange[] }[]
  /** Sentences. */
  readonly disagreements: string[]
}

interface LiveRange {
  readonly range: IdRange
  readonly pid: number
}

/**
 * An entry stays while a bundle directory, a live process or, for a sandbox whose bundle was never seen, the runtime's
 * list speaks for it. A sandbox whose bundle is gone can't run again, even if it is listed until its pod is removed; of
 * that removal containerd says nothing when it was restarted in between (containerd issue 8426).
 */
export function reconcile({ entries, runtime, live, bundleExists }: Sources): Plan {
  const plan: Plan = { release: [], dropSandboxes: [], foreign: [], disagreements: [] }
  const listed = runtime && [...runtime]
  const listedPods = new Map<string, string[]>()
  for (const { podUID, sandboxID } of listed ?? [])
    listedPods.set(podUID, [...(listedPods.get(podUID) ?? []), sandboxID])
  const listedSandboxes = new Set(listed?.map(({ sandboxID }) => sandboxID))
  const foreign = distinctRanges(live)

  for (const entry of entries) {
    const { podUID, range } = entry
    const pod = printPod(podUID, entry)
    const users = [...foreign.values()].filter((user) => overlaps(user.range, range))
    for (const user of users) {
      if (isWithin(user.range, range)) foreign.delete(printRange(user.range))
      else plan.disagreements.push(describeOverlap(user, pod, range))
    }

    const isThere = (sandbox: Sandbox) =>
      sandbox.bundle === '' ? !listed || listedSandboxes.has(sandbox.id) : bundleExists(sandbox)
    const hasMissed = listedPods.get(podUID)?.some((sandboxID) => !entry.sandboxes.has(sandboxID)) ?? false
    const sandboxes = [...entry.sandboxes.values()]
    const gone = sandboxes.filter((sandbox) => !isThere(sandbox))
    if (gone.length < sandboxes.length) {
      plan.dropSandboxes.push(...gone.map(({ id }) => id))
    } else if (hasMissed || (!listed && sandboxes.length === 0)) {
      // It stays, and its sandboxes with it: the last of them would take the range along.
    } else if (users[0]) {
      plan.disagreements.push(
        `process ${users[0].pid} lives in the id range ${printRange(range)} of ${pod}, of which the runtime has no sandbox: the range stays taken while it does`,
      )
    } else {
      plan.release.push(entry)
    }
  }

  for (const [text, { range }] of foreign) {
    plan.foreign.push({ claim: `user namespace ${text}`, ranges: [range] })
  }
  return plan
}

/** By their text; a pod's many processes share one. Not those of a namespace that maps the whole host to itself. */
function distinctRanges(live: Sources['live']): Map<string, LiveRange> {
  const byText = new Map<string, LiveRange>()
  for (const { pid, ranges } of live) {
    for (const range of ranges) {
      const text = printRange(range)
      if (!isWholeHost(range) && !byText.has(text)) byText.set(text, { range, pid })
    }
  }
  return byText
}

const isWholeHost = ({ hostID, length }: IdRange): boolean => hostID === 0 && length >= 2 ** 32 - 1

const isWithin = (inner: IdRange, outer: IdRange): boolean =>
  inner.hostID >= outer.hostID && inner.hostID + inner.length <= outer.hostID + outer.length

const describeOverlap = ({ pid, range }: LiveRange, pod: string, ofPod: IdRange): string =>
  `the user namespace of process ${pid}, ids ${printRange(range)}, reaches into the id range ${printRange(ofPod)} of ${pod}: end one of the two, they share ids`
