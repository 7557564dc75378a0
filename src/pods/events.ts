import type { IdMapLine } from '../kernel/idmaps.js'
import { idMapOf, isHostMap } from '../kernel/idmaps.js'
import type { PodEntry } from '../ledger/entry.js'
import type { PodSandboxInfo } from '../nri/plugin.js'
import { type IdRange, printRange } from '../ranges/range.js'
import type { Node } from './node.js'

/** The runtime has started the sandbox. */
export async function sandboxRuns(node: Node, pod: PodSandboxInfo): Promise<void> {
  const entry = await confirmSandbox(node, pod)
  node.announced.add(pod.id)
  if (entry) node.log.info('sandbox runs', fieldsOf(pod, entry))
}

/**
 * The runtime knows the sandbox. The kernel is asked whether it lives where the ledger says.
 * @returns its pod, when it is one of ours and in its range
 */
export async function confirmSandbox(node: Node, pod: PodSandboxInfo): Promise<PodEntry | undefined> {
  const map = pod.pid > 0 ? await idMapOf(pod.pid) : undefined
  // Left alone, of a pod that had a range when the policy was another: the range is not of this sandbox.
  if (map && isHostMap(map) && !node.ledger.podOfSandbox(pod.id)) return undefined
  const entry = await node.ledger.confirm(pod.uid, pod.id, { namespace: pod.namespace, name: pod.name })
  if (!entry) {
    avoid(node, pod, map)
    return undefined
  }
  if (!map || isMapOf(map, entry.range)) return entry
  node.log.error('sandbox outside its range', {
    ...fieldsOf(pod, entry),
    reason: `process ${pod.pid} of the sandbox lives in ${printMap(map)}: delete the pod, so that it is made anew`,
  })
  return undefined
}

const fieldsOf = (pod: PodSandboxInfo, { range }: PodEntry) => ({
  pod: pod.name,
  namespace: pod.namespace,
  uid: pod.uid,
  sandbox: pod.id,
  range: printRange(range),
})

/** A pod of another handler that has a user namespace: what it has is not to be given to others. */
function avoid(node: Node, pod: PodSandboxInfo, map: IdMapLine[] | undefined): void {
  if (!map || isHostMap(map)) return
  for (const owner of node.ledger.avoid(pod.id, map))
    node.log.error('id range shared', {
      ...fieldsOf(pod, owner),
      reason: `its user namespace reaches into the range of pod ${owner.namespace}/${owner.name} (${owner.podUID}): end one of the two`,
    })
}

const isMapOf = (map: readonly IdMapLine[], range: IdRange): boolean =>
  map.length === 1 &&
  map[0]!.containerID === 0 &&
  map[0]!.hostID === range.hostID &&
  map[0]!.length === range.length

const printMap = (map: readonly IdMapLine[]): string =>
  isHostMap(map) ? "the host's user namespace" : `the ids ${map.map(printRange).join(', ')}`
