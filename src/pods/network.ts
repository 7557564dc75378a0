import { statfs } from 'node:fs/promises'
import { type CniCall, type CniInput, parseCall, printResult } from '../cni/call.js'
import { printRange } from '../ranges/range.js'
import { type Node, pinOf, since } from './node.js'
import { containerDeleted, dropSandbox } from './remove.js'
import { idsAtAdd } from './size.js'

/** The magic number of a namespace's file, see include/uapi/linux/magic.h. */
const NSFS_MAGIC = 0x6e736673

/** The user namespace that owns the sandbox's netns and is kept for it, or undefined when none is. */
export async function networkOwnerOf(node: Node, sandboxID: string): Promise<string | undefined> {
  const pin = pinOf(node, sandboxID)
  const { type } = await statfs(pin).catch(() => ({ type: undefined }))
  return type === NSFS_MAGIC ? pin : undefined
}

/**
 * Serves a call of the CNI plugin, which stands first in the chain of a handler whose pods own their network.
 * @returns the plugin's result; empty for commands that have none
 * @throws Error with a sentence; nothing has changed then
 */
export async function serveCni(node: Node, input: CniInput): Promise<string> {
  const call = parseCall(input)
  switch (call.command) {
    case 'ADD':
      await add(node, call)
      return printResult(call)
    case 'CHECK':
      await check(node, call)
      return ''
    case 'DEL':
      // A sandbox that runs goes by its own end: teardown of its network comes before that.
      await containerDeleted(node, call.sandboxID)
      return ''
    case 'GC':
      await collect(node, call.validSandboxes)
      return ''
    case 'STATUS':
      return ''
  }
}

/** As a plugin that does nothing answers. @throws Error with a sentence for a call that is none */
export function passCni(input: CniInput): string {
  const call = parseCall(input)
  return call.command === 'ADD' ? printResult(call) : ''
}

type Attachment = Extract<CniCall, { command: 'ADD' | 'DEL' | 'CHECK' }>

async function add(node: Node, { sandboxID, netns, pod, annotations }: Attachment): Promise<void> {
  if (node.network === 'shared') return
  const start = performance.now()
  // Asked for again.
  if (await networkOwnerOf(node, sandboxID)) return
  // Until the sandbox has a bundle, its netns tells whether it is still there.
  const ids = await idsAtAdd(node, { sandboxID, pod, annotations })
  const { range } = await node.ledger.assign(pod, { id: sandboxID, bundle: netns! }, ids)
  try {
    await node.perform([{ kind: 'ownNetns', netns: netns!, pin: pinOf(node, sandboxID), range }])
  } catch (error) {
    await dropSandbox(node, sandboxID)
    throw new Error(
      `pod ${pod.namespace ?? ''}/${pod.name ?? pod.uid} can't own its network: ${(error as Error).message}`,
    )
  }
  // The runtime gave the pod a user namespace, and the netns with it (hostUsers: false).
  if (!(await networkOwnerOf(node, sandboxID))) return dropSandbox(node, sandboxID)
  node.log.info('network owned', {
    pod: pod.name,
    namespace: pod.namespace,
    uid: pod.uid,
    sandbox: sandboxID,
    range: printRange(range),
    durationMs: since(start),
  })
}

async function check(node: Node, { sandboxID }: Attachment): Promise<void> {
  if (node.network === 'shared' || (await networkOwnerOf(node, sandboxID))) return
  throw new Error(
    `the network of sandbox ${sandboxID} is not owned by its pod: delete the pod, so that it is made anew`,
  )
}

/** Of sandboxes that the runtime has forgotten between ADD and their creation. */
async function collect(node: Node, valid: ReadonlySet<string>): Promise<void> {
  for (const entry of [...node.ledger.entries()])
    for (const { id } of entry.sandboxes.values())
      if (!valid.has(id) && (await networkOwnerOf(node, id))) await containerDeleted(node, id)
}
