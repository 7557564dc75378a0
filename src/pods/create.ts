import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { idMapOf } from '../kernel/idmaps.js'
import { factsOf, mappedRanges, vainCapabilities } from '../oci/facts.js'
import { type Identity, identify } from '../oci/identity.js'
import { sandboxUserNamespace } from '../oci/modify.js'
import { planContainer } from '../oci/plan.js'
import { parseSpec, type Spec } from '../oci/spec.js'
import { admit } from '../policy/admission.js'
import { type IdRange, printRange } from '../ranges/range.js'
import type { ContainerRequest } from '../shim/protocol.js'
import { networkOwnerOf } from './network.js'
import { type Node, since, sysfsOf } from './node.js'
import { dropSandbox } from './remove.js'
import { mappableVolumes } from './volumes.js'

/**
 * Makes a container that its runtime is about to create run in its pod's range, or leaves it alone when it has a user
 * namespace of its own.
 * @throws Error with the reason as a sentence that names the pod; nothing has changed then
 */
export async function createContainer(node: Node, { containerID, bundle }: ContainerRequest): Promise<void> {
  const start = performance.now()
  let identity: Identity | undefined
  try {
    const spec = parseSpec(await readFile(join(bundle, 'config.json'), 'utf8'))
    identity = identify(spec, containerID)
    const admission = admit(factsOf(spec), node.idsPerPod)
    if (admission.outcome === 'refuse') throw new Error(admission.reason)
    if (admission.outcome === 'skip') {
      // CNI's ADD may have given it a range; a plain pod is unharmed in the netns that came with it.
      if (node.ledger.podOfSandbox(identity.containerID)) await dropSandbox(node, identity.containerID)
      avoidIfSandbox(node, spec, identity)
      node.log.info(`${identity.role} left alone`, { ...fields(identity), reason: admission.reason })
      return
    }
    const range = await (identity.role === 'sandbox' ? mapSandbox : mapContainer)(
      node,
      spec,
      identity,
      bundle,
    )
    node.log.info(`${identity.role} mapped`, {
      ...fields(identity),
      range: printRange(range),
      durationMs: since(start),
    })
  } catch (error) {
    const reason = (error as Error).message
    node.log.error(`${identity?.role ?? 'container'} refused`, {
      ...(identity ? fields(identity) : { container: containerID }),
      reason,
      durationMs: since(start),
    })
    throw new Error(`${describe(identity, containerID)} can't be made: ${reason}`)
  }
}

async function mapSandbox(node: Node, spec: Spec, identity: Identity, bundle: string): Promise<IdRange> {
  const { podUID, sandboxID, namespace, name } = identity
  const networkOwner = await networkOwnerOf(node, sandboxID)
  if (node.network === 'owned' && !networkOwner)
    throw new Error(
      "its network namespace is the host's, and the config has network: owned: put the CNI plugin nri-userns-cni first in the " +
        "runtime handler's chain (cni_conf_dir), or set network: shared",
    )
  const { range } = await node.ledger.assign({ uid: podUID!, namespace, name }, { id: sandboxID, bundle })
  try {
    await node.perform(
      planContainer(spec, identity, {
        bundle,
        range,
        sysfs: sysfsOf(node, sandboxID),
        volumes: await mappableVolumes(node, spec, bundle, range, fields(identity)),
        networkOwner,
      }),
    )
  } catch (error) {
    await dropSandbox(node, sandboxID)
    throw error
  }
  return range
}

async function mapContainer(node: Node, spec: Spec, identity: Identity, bundle: string): Promise<IdRange> {
  const { podUID, sandboxID } = identity
  const entry = node.ledger.podOfSandbox(sandboxID) ?? node.ledger.find(podUID ?? '')
  if (!entry)
    throw new Error(
      `its sandbox ${sandboxID} has no id range (it may be older than nri-userns here): delete the pod, so that it is made anew`,
    )
  await checkSandbox(spec, entry.range)
  const networkOwner = await networkOwnerOf(node, sandboxID)
  const vain = networkOwner ? [] : vainCapabilities(spec)
  if (vain.length > 0)
    node.log.warn('capabilities in vain', {
      ...fields(identity),
      reason: `${vain.join(', ')} mean nothing in a network namespace of the host's: give the pod its own, network: owned`,
    })
  await node.perform(
    planContainer(spec, identity, {
      bundle,
      range: entry.range,
      sysfs: sysfsOf(node, sandboxID),
      volumes: await mappableVolumes(node, spec, bundle, entry.range, fields(identity)),
      networkOwner,
    }),
  )
  return entry.range
}

/** The kernel has the last word on where the sandbox lives: its container must not join anything else. */
async function checkSandbox(spec: Spec, range: IdRange): Promise<void> {
  const pid = /^\/proc\/(\d+)\//.exec(sandboxUserNamespace(spec) ?? '')?.[1]
  if (pid === undefined) return
  const map = await idMapOf(Number(pid))
  if (!map) throw new Error(`the process ${pid} of its sandbox is gone: the pod is being made anew`)
  const isRange = map.length === 1 && map[0]!.hostID === range.hostID && map[0]!.length === range.length
  if (!isRange)
    throw new Error(
      `the process ${pid} of its sandbox does not live in the pod's id range ${printRange(range)}: delete the pod, so that it is made anew`,
    )
}

function avoidIfSandbox(node: Node, spec: Spec, { role, sandboxID, ...identity }: Identity): void {
  if (role !== 'sandbox') return
  for (const owner of node.ledger.avoid(sandboxID, mappedRanges(spec)))
    node.log.error('id range shared', {
      pod: identity.name,
      namespace: identity.namespace,
      sandbox: sandboxID,
      range: printRange(owner.range),
      reason: `its own user namespace reaches into the range of pod ${owner.namespace}/${owner.name} (${owner.podUID}): end one of the two`,
    })
}

const fields = ({ role, name, namespace, podUID, sandboxID, containerName }: Identity) => ({
  pod: name,
  namespace,
  uid: podUID,
  sandbox: sandboxID,
  ...(role === 'container' && { container: containerName }),
})

function describe(identity: Identity | undefined, containerID: string): string {
  if (!identity) return `container ${containerID}`
  const { role, namespace, name, podUID, containerName } = identity
  const pod = name === undefined ? `pod ${podUID}` : `pod ${namespace}/${name}`
  return role === 'sandbox' ? pod : `container ${containerName ?? containerID} of ${pod}`
}
