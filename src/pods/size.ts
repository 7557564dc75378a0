import { ANNOTATIONS_CAPABILITY, type CniCall } from '../cni/call.js'
import type { PodEntry } from '../ledger/entry.js'
import { decide, printSetting } from '../policy/rules.js'
import { isOneSize, sizeOf } from '../policy/size.js'
import type { Length, Verdict } from '../policy/verdict.js'
import { labelsBeforeCreate } from './labels.js'
import type { Node } from './node.js'

type Add = Pick<Extract<CniCall, { command: 'ADD' | 'DEL' | 'CHECK' }>, 'sandboxID' | 'pod' | 'annotations'>

/**
 * How many ids a pod gets whose range is needed for its netns, before its specification is there: by what of it is known
 * by then. At create all is known, and a pod that should have had another number is refused.
 */
export async function idsAtAdd(node: Node, { sandboxID, pod, annotations }: Add): Promise<number> {
  const { policy, idsPerPod } = node
  if (isOneSize(policy)) return idsPerPod
  const labels = await labelsBeforeCreate(node, policy, sandboxID)
  const subject = { namespace: pod.namespace, pod: pod.name, labels, annotations, user: undefined }
  const { outcome, by } = decide(policy, subject)
  if (outcome !== 'map') return idsPerPod
  const size = sizeOf(policy, by, annotations, idsPerPod)
  return 'ids' in size ? size.ids : idsPerPod
}

/** A sandbox that is made now gets its pod's range, of whatever length; the first of a pod gets what the policy says. */
export function lengthFor(node: Node, entry: PodEntry | undefined, sandboxID: string): Length {
  return entry && !isOfAdd(entry, sandboxID) ? { ids: entry.range.length } : { idsPerPod: node.idsPerPod }
}

/** The range was given at CNI's ADD: the pod's only sandbox is the one that is made now. */
const isOfAdd = ({ sandboxes }: PodEntry, sandboxID: string): boolean =>
  sandboxes.size === 1 && sandboxes.has(sandboxID)

/** A user namespace has its mapping once and for all, and the netns belongs to it. */
export function asAtAdd(verdict: Verdict, entry: PodEntry | undefined): Verdict {
  const { outcome, by, ids } = verdict
  if (outcome !== 'map' || !entry || entry.range.length === ids) return verdict
  return {
    outcome: 'refuse',
    by,
    reason:
      `${by === undefined ? 'the policy' : printSetting(by)} gives it ${ids} ids, and its network namespace was made for ` +
      `${entry.range.length}, as nothing spoke for ${ids} at CNI's ADD. There a pod's namespace and name are known; its ` +
      `annotations when nri-userns-cni has the capability ${ANNOTATIONS_CAPABILITY} in the conflist; its labels with ` +
      'containerd 2. Have the rule match by what is known, or set network: shared',
  }
}
