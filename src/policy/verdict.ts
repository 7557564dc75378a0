import { admit, type ContainerFacts } from './admission.js'
import { decide, type Outcome, type Policy, printSetting, type Setting, type Subject } from './rules.js'
import { sizeOf } from './size.js'

export interface Verdict {
  readonly outcome: Outcome
  /** Of the policy what decided; undefined when it has no say, as of ids beyond the range. */
  readonly by?: Setting | undefined
  /** Of skip and refuse: the end of a sentence that names the pod. */
  readonly reason?: string | undefined
  /** Of map: the length of the pod's range. */
  readonly ids?: number | undefined
}

/** How long a pod's range is: as long as it is already, or by the policy, which may leave it at the node's idsPerPod. */
export type Length = { readonly ids: number } | { readonly idsPerPod: number }

export function judge(policy: Policy, subject: Subject, facts: ContainerFacts, length: Length): Verdict {
  const decision = decide(policy, subject)
  if (decision.outcome !== 'map') return decision
  const { by } = decision
  const size = 'ids' in length ? length : sizeOf(policy, by, subject.annotations, length.idsPerPod)
  // What can't be mapped anyway isn't refused for the size that it asks for.
  const admission = admit(facts, 'ids' in size ? size.ids : Number.POSITIVE_INFINITY, policy)
  if (admission.outcome !== 'map') return admission
  return 'ids' in size ? { ...decision, ids: size.ids } : { outcome: 'refuse', by, reason: size.reason }
}

/** The user namespace that a sandbox lives in: its pod's range, another of its own (hostUsers: false), or the host's. */
export type SandboxHome = 'range' | 'elsewhere' | 'host'

/**
 * A pod is mapped or left alone as a whole. The verdict on one of its containers stands only when its sandbox was made
 * the same way: by another policy, before nri-userns was here, or by a rule on the container alone it may not be.
 * @param hasUserNamespace whether the container's engine gave it one
 */
export function follow(home: SandboxHome, verdict: Verdict, hasUserNamespace: boolean): Verdict {
  const refuse = (reason: string): Verdict => ({ outcome: 'refuse', by: verdict.by, reason })
  if (verdict.outcome === 'map' && home !== 'range')
    return refuse(
      `it is to run in an id range, and its sandbox has no id range (it may be older than nri-userns here, or than its ` +
        `policy): ${ANEW}`,
    )
  if (verdict.outcome === 'skip' && home === 'range')
    return refuse(
      `it is to be left alone${because(verdict)}, and its sandbox runs in an id range: ${ANEW}. If it stays so, the ` +
        'reason tells this container from its sandbox: leave the whole pod alone by a rule on its namespace or name',
    )
  if (verdict.outcome === 'skip' && home === 'elsewhere' && !hasUserNamespace)
    return refuse(
      `it is to be left alone${because(verdict)} and has no user namespace, but its sandbox has: ${ANEW}`,
    )
  return verdict
}

const ANEW = 'delete the pod, so that it is made anew'

const because = ({ by, reason }: Verdict): string =>
  reason ? ` (${reason})` : by === undefined ? '' : ` (${printSetting(by)})`
