import { type Identity, labelsIn } from '../oci/identity.js'
import { type Policy, printSetting, ruleOnLabels } from '../policy/rules.js'
import type { Node } from './node.js'

type Labels = Readonly<Record<string, string>>

const NONE: Labels = {}

/**
 * A pod's labels, which only its engine knows: nobody is asked while no rule is about any.
 * @param annotations of its sandbox's specification
 * @throws Error with a sentence when they can't be known: which rule holds can't be told then
 */
export async function labelsOf(
  node: Node,
  policy: Policy,
  { isAlone, sandboxID }: Identity,
  annotations: Readonly<Record<string, string>>,
): Promise<Labels> {
  const rule = ruleOnLabels(policy)
  if (rule === undefined || isAlone) return NONE
  const known = labelsIn(annotations)
  if (known) return known
  try {
    return await node.containerd.ofSandbox(sandboxID)
  } catch (error) {
    throw new Error(
      `${printSetting(rule)} is about labels of pods, and containerd, which knows them, can't be asked on ` +
        `${node.containerd.socketPath} (${(error as Error).message}): see that it runs and that containerd.socket in the ` +
        'config of nri-userns is its address, or take labels out of the rules',
    )
  }
}

/**
 * At CNI's ADD, when the sandbox has no container yet: what can be known of them. Nothing is refused for it; at create
 * they are known.
 */
export async function labelsBeforeCreate(node: Node, policy: Policy, sandboxID: string): Promise<Labels> {
  if (ruleOnLabels(policy) === undefined) return NONE
  const labels = await node.containerd.ofNewSandbox(sandboxID).catch(() => undefined)
  return labels ?? NONE
}
