import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { factsOf, mappedRanges, subjectOf, vainCapabilities } from '../oci/facts.js'
import { type Identity, identify } from '../oci/identity.js'
import { planContainer, type Surroundings } from '../oci/plan.js'
import { parseSpec, type Spec } from '../oci/spec.js'
import { inSandbox } from '../policy/admission.js'
import { printSetting, type Setting } from '../policy/rules.js'
import { follow, judge, type Verdict } from '../policy/verdict.js'
import { type IdRange, printRange } from '../ranges/range.js'
import type { ContainerRequest } from '../shim/protocol.js'
import { labelsOf } from './labels.js'
import { networkOwnerOf } from './network.js'
import { type Node, since, sysfsOf } from './node.js'
import { dropSandbox } from './remove.js'
import { type MadeSandbox, madeSandbox } from './sandbox.js'
import { asAtAdd, lengthFor } from './size.js'
import { mappableVolumes } from './volumes.js'

/**
 * Makes a container that its runtime is about to create run in its pod's range, or leaves it alone, as the policy says.
 * @throws Error with the reason as a sentence that names the pod; nothing has changed then
 */
export async function createContainer(node: Node, { containerID, bundle }: ContainerRequest): Promise<void> {
  const start = performance.now()
  let identity: Identity | undefined
  try {
    const spec = parseSpec(await readFile(join(bundle, 'config.json'), 'utf8'))
    identity = identify(spec, containerID)
    const sandbox =
      identity.role === 'container' ? await madeSandbox(node, spec, identity, bundle) : undefined
    const verdict = await verdictOn(node, spec, identity, sandbox)
    if (verdict.outcome === 'refuse') throw new Error(verdict.reason)
    if (verdict.outcome === 'skip') {
      // CNI's ADD may have given it a range; a plain pod is unharmed in the netns that came with it.
      if (node.ledger.podOfSandbox(identity.containerID)) await dropSandbox(node, identity.containerID)
      avoidIfSandbox(node, spec, identity)
      const { reason, by } = verdict
      node.log.info(`${identity.role} left alone`, { ...fields(identity), ...ruleField(by), reason })
      return
    }
    const range = await (sandbox
      ? mapContainer(node, spec, identity, bundle, sandbox)
      : mapSandbox(node, spec, identity, bundle, verdict.ids))
    node.log.info(`${identity.role} mapped`, {
      ...fields(identity),
      ...ruleField(verdict.by),
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

async function verdictOn(
  node: Node,
  spec: Spec,
  identity: Identity,
  sandbox: MadeSandbox | undefined,
): Promise<Verdict> {
  const { policy } = node
  const facts = factsOf(spec)
  const annotations = (sandbox ?? spec).annotations ?? {}
  const labels = await labelsOf(node, policy, identity, annotations)
  const subject = subjectOf(spec, identity, { annotations, labels })
  if (!sandbox) {
    const entry = node.ledger.find(identity.podUID!)
    const length = lengthFor(node, entry, identity.sandboxID)
    return asAtAdd(judge(policy, subject, facts, length), entry)
  }
  const ids = sandbox.entry?.range.length ?? node.idsPerPod
  const verdict = judge(policy, subject, inSandbox(facts, sandbox.facts), { ids })
  return follow(sandbox.home, verdict, facts.hasUserNamespace)
}

async function mapSandbox(
  node: Node,
  spec: Spec,
  identity: Identity,
  bundle: string,
  ids: number | undefined,
): Promise<IdRange> {
  const { podUID, sandboxID, namespace, name } = identity
  const networkOwner = await networkOwnerOf(node, sandboxID)
  if (node.network === 'owned' && !networkOwner)
    throw new Error(
      "its network namespace is the host's, and the config has network: owned: put the CNI plugin nri-userns-cni first in the " +
        "runtime handler's chain (cni_conf_dir), or set network: shared",
    )
  const pod = { uid: podUID!, namespace, name }
  const { range } = await node.ledger.assign(pod, { id: sandboxID, bundle }, ids)
  try {
    await carryOut(node, spec, identity, { bundle, range, networkOwner })
  } catch (error) {
    await dropSandbox(node, sandboxID)
    throw error
  }
  return range
}

async function mapContainer(
  node: Node,
  spec: Spec,
  identity: Identity,
  bundle: string,
  { entry }: MadeSandbox,
): Promise<IdRange> {
  const { range } = entry!
  const networkOwner = await networkOwnerOf(node, identity.sandboxID)
  const vain = networkOwner ? [] : vainCapabilities(spec)
  if (vain.length > 0)
    node.log.warn('capabilities in vain', {
      ...fields(identity),
      reason: `${vain.join(', ')} mean nothing in a network namespace of the host's: give the pod its own, network: owned`,
    })
  await carryOut(node, spec, identity, { bundle, range, networkOwner })
  return range
}

async function carryOut(
  node: Node,
  spec: Spec,
  identity: Identity,
  place: Pick<Surroundings, 'bundle' | 'range' | 'networkOwner'>,
): Promise<void> {
  const volumes = await mappableVolumes(node, spec, place.bundle, place.range, fields(identity))
  const sysfs = sysfsOf(node, identity.sandboxID)
  await node.perform(planContainer(spec, identity, { ...place, sysfs, volumes }))
}

function avoidIfSandbox(node: Node, spec: Spec, { role, sandboxID, ...identity }: Identity): void {
  const ranges = mappedRanges(spec)
  if (role !== 'sandbox' || ranges.length === 0) return
  for (const owner of node.ledger.avoid(sandboxID, ranges))
    node.log.error('id range shared', {
      pod: identity.name,
      namespace: identity.namespace,
      sandbox: sandboxID,
      range: printRange(owner.range),
      reason: `its own user namespace reaches into the range of pod ${owner.namespace}/${owner.name} (${owner.podUID}): end one of the two`,
    })
}

/** The default goes without saying. */
const ruleField = (by: Setting | undefined) =>
  by === undefined || by === 'default' ? {} : { rule: printSetting(by) }

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
