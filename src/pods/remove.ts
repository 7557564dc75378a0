import { liveIdMaps } from '../kernel/idmaps.js'
import { findBundles } from '../ledger/bundles.js'
import type { PodEntry } from '../ledger/entry.js'
import { type IdRange, overlaps, printRange } from '../ranges/range.js'
import { type Node, pinOf, sysfsOf } from './node.js'

/** The sandbox is gone, or was never made: what was mounted for it goes, and with its pod's last one the range. */
export async function dropSandbox(node: Node, sandboxID: string): Promise<void> {
  node.announced.delete(sandboxID)
  node.containerd.forget(sandboxID)
  node.ledger.stopAvoiding(sandboxID)
  await node.perform([
    { kind: 'unmountSysfs', target: sysfsOf(node, sandboxID) },
    { kind: 'unpin', pin: pinOf(node, sandboxID) },
  ])
  const released = await node.ledger.dropSandbox(sandboxID)
  if (released) await rangeReleased(node, 'range released', released, sandboxID)
}

/** Nobody knows the pod but the ledger, which releases it as it was seen. */
export async function releaseOrphan(node: Node, seen: PodEntry): Promise<void> {
  const released = await node.ledger.release(seen.podUID, seen)
  if (released) await rangeReleased(node, 'orphan released', released)
}

async function rangeReleased(node: Node, event: string, pod: PodEntry, sandbox?: string): Promise<void> {
  await node.perform([{ kind: 'forgetRange', range: pod.range }])
  node.log.info(event, {
    pod: pod.name,
    namespace: pod.namespace,
    uid: pod.podUID,
    sandbox,
    range: printRange(pod.range),
    ageMs: Date.now() - pod.since.getTime(),
  })
}

/**
 * The runtime's `delete` of a container has ended. A sandbox that NRI will tell the removal of is left until then. Of
 * others no other word comes: their start failed, or the engine has no NRI, or containerd was restarted since they were
 * started, and has forgotten whom it owes their events (containerd issue 8426).
 */
export async function containerDeleted(node: Node, containerID: string): Promise<void> {
  // Of a sandbox that was left alone this is all that is known here.
  node.containerd.forget(containerID)
  const pod = node.ledger.podOfSandbox(containerID)
  if (!pod || node.announced.has(containerID)) return
  // A delete of what still runs fails, and is heard of all the same.
  if (await isInhabited(pod.range)) return
  const bundleExists = await findBundles([pod])
  for (const sandbox of pod.sandboxes.values())
    if (sandbox.id === containerID || !bundleExists(sandbox)) await dropSandbox(node, sandbox.id)
}

async function isInhabited(range: IdRange): Promise<boolean> {
  const live = await liveIdMaps()
  return live.some(({ map }) => map.some((line) => overlaps(line, range)))
}
