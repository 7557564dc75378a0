import { printRange } from '../ranges/range.js'
import { type Node, sysfsOf } from './node.js'

/** The sandbox is gone, or was never made: what was mounted for it goes, and with its pod's last one the range. */
export async function dropSandbox(node: Node, sandboxID: string): Promise<void> {
  node.ledger.stopAvoiding(sandboxID)
  await node.perform([{ kind: 'unmountSysfs', target: sysfsOf(node, sandboxID) }])
  const released = await node.ledger.dropSandbox(sandboxID)
  if (!released) return
  await node.perform([{ kind: 'forgetRange', range: released.range }])
  node.log.info('range released', {
    pod: released.name,
    namespace: released.namespace,
    uid: released.podUID,
    sandbox: sandboxID,
    range: printRange(released.range),
    ageMs: Date.now() - released.since.getTime(),
  })
}

/**
 * The runtime has deleted a container. A sandbox that never ran is gone with that: no other word of it will come
 * (its start failed, or the engine has no NRI). One that ran is gone when the runtime removes it.
 */
export async function containerDeleted(node: Node, containerID: string): Promise<void> {
  const sandbox = node.ledger.podOfSandbox(containerID)?.sandboxes.get(containerID)
  if (sandbox && !sandbox.confirmed) await dropSandbox(node, containerID)
}
