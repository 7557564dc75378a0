import { readdir } from 'node:fs/promises'
import { findBundles } from '../ledger/bundles.js'
import { type Plan, reconcile } from '../ledger/reconcile.js'
import type { PodSandboxInfo } from '../nri/plugin.js'
import { confirmSandbox } from './events.js'
import { type Node, pinOf, since, sysfsOf } from './node.js'
import { avoidOwners, liveRanges } from './others.js'
import { dropSandbox, releaseOrphan } from './remove.js'

/**
 * Brings ledger, runtime and kernel together: orphans are released, ranges that others live in are avoided, and what
 * disagrees is logged.
 * @param pods every sandbox that the runtime has; undefined when it lists none
 */
export async function synchronize(node: Node, pods: readonly PodSandboxInfo[] | undefined): Promise<void> {
  const { ledger, log } = node
  node.announced.clear()
  const start = performance.now()
  for (const pod of pods ?? []) await confirmSandbox(node, pod)
  const live = await liveRanges()
  const bundleExists = await findBundles(ledger.entries())
  const runtime = pods?.map(({ id, uid }) => ({ sandboxID: id, podUID: uid }))
  const plan = reconcile({ entries: ledger.entries(), runtime, live, bundleExists })

  for (const reason of plan.disagreements) log.warn('disagreement', { reason })
  for (const sandboxID of plan.dropSandboxes) await dropSandbox(node, sandboxID)
  for (const entry of plan.release) await releaseOrphan(node, entry)
  avoidOthers(node, plan.foreign, pods ?? [])
  // What can't be read now goes on to be avoided as it was.
  await avoidOwners(node).catch((error) => log.warn('problem', { error }))
  await removeStrayMounts(node)
  const { used, avoided, free } = ledger.usage
  log.info('synchronized', { runtimePods: pods?.length, used, avoided, free, durationMs: since(start) })
}

/** Claims of those who have ended are given up: pods that the runtime doesn't list, user namespaces that nobody lives in. */
function avoidOthers({ ledger }: Node, foreign: Plan['foreign'], pods: readonly PodSandboxInfo[]): void {
  const current = new Set([...foreign.map(({ claim }) => claim), ...pods.map(({ id }) => id)])
  for (const claim of ledger.claims('passing')) if (!current.has(claim)) ledger.stopAvoiding(claim)
  for (const { claim, ranges } of foreign) ledger.avoid(claim, ranges)
}

/** Left by a daemon that died between the mount and its pod's end. */
async function removeStrayMounts(node: Node): Promise<void> {
  const isStray = (sandboxID: string) => !node.ledger.podOfSandbox(sandboxID)
  for (const sandboxID of (await readdir(node.sysfsDirectory)).filter(isStray))
    await node.perform([{ kind: 'unmountSysfs', target: sysfsOf(node, sandboxID) }])
  for (const sandboxID of (await readdir(node.usernsDirectory)).filter(isStray))
    await node.perform([{ kind: 'unpin', pin: pinOf(node, sandboxID) }])
}
