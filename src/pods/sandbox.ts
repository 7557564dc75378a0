import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type IdMapLine, idMapOf, isHostMap } from '../kernel/idmaps.js'
import type { PodEntry } from '../ledger/entry.js'
import { factsOf } from '../oci/facts.js'
import { type Identity, identify } from '../oci/identity.js'
import { sandboxUserNamespace } from '../oci/modify.js'
import { parseSpec, type Spec } from '../oci/spec.js'
import type { ContainerFacts } from '../policy/admission.js'
import type { SandboxHome } from '../policy/verdict.js'
import { type IdRange, printRange } from '../ranges/range.js'
import type { Node } from './node.js'

/** The sandbox that a container is to join, as it was made. */
export interface MadeSandbox {
  readonly home: SandboxHome
  /** Its pod, when home is the range of it. */
  readonly entry: PodEntry | undefined
  readonly facts: ContainerFacts
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * Nothing of it is kept in memory: sandboxes outlive daemons, and those that are left alone have no record.
 * @throws Error with a sentence when it can't be told how the sandbox was made
 */
export async function madeSandbox(
  node: Node,
  spec: Spec,
  identity: Identity,
  bundle: string,
): Promise<MadeSandbox> {
  const { podUID, sandboxID } = identity
  const entry = node.ledger.podOfSandbox(sandboxID) ?? node.ledger.find(podUID ?? '')
  const sandboxSpec = await readSandboxSpec(entry, identity, bundle)
  const facts = factsOf(sandboxSpec)
  const home = await homeOf(spec, entry?.range, facts.hasUserNamespace)
  return {
    home,
    entry: home === 'range' ? entry : undefined,
    facts,
    annotations: sandboxSpec.annotations ?? {},
  }
}

/** The kernel has the last word on where the sandbox lives: its container must not join anything else. */
async function homeOf(
  spec: Spec,
  range: IdRange | undefined,
  hasUserNamespace: boolean,
): Promise<SandboxHome> {
  const pid = /^\/proc\/(\d+)\//.exec(sandboxUserNamespace(spec) ?? '')?.[1]
  if (pid === undefined) return range ? 'range' : hasUserNamespace ? 'elsewhere' : 'host'
  const map = await idMapOf(Number(pid))
  if (!map) throw new Error(`the process ${pid} of its sandbox is gone: the pod is being made anew`)
  if (isHostMap(map)) return 'host'
  if (!range) return 'elsewhere'
  if (isMapOf(map, range)) return 'range'
  throw new Error(
    `the process ${pid} of its sandbox does not live in the pod's id range ${printRange(range)}: delete the pod, so that it is made anew`,
  )
}

const isMapOf = (map: readonly IdMapLine[], { hostID, length }: IdRange): boolean =>
  map.length === 1 && map[0]!.hostID === hostID && map[0]!.length === length

/** Engines keep it for as long as the sandbox lives: their own delete needs it. */
async function readSandboxSpec(
  entry: PodEntry | undefined,
  { containerID, sandboxID }: Identity,
  bundle: string,
): Promise<Spec> {
  const recorded = entry?.sandboxes.get(sandboxID)?.bundle
  const path = join(recorded || siblingBundle(bundle, containerID, sandboxID), 'config.json')
  const refused = (reason: string) =>
    new Error(
      `how its sandbox ${sandboxID} was made can't be told (${reason}): delete the pod, so that it is made anew`,
    )
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw refused(error.message)
  })
  const spec = parseSpec(text)
  const found = identify(spec, sandboxID)
  if (found.isAlone || found.role !== 'sandbox' || found.sandboxID !== sandboxID)
    throw refused(`${path} is not of a sandbox of this id`)
  return spec
}

/** containerd's is STATE/io.containerd.runtime.v2.task/k8s.io/ID, CRI-O's STORAGE/overlay-containers/ID/userdata. */
export const siblingBundle = (bundle: string, containerID: string, sandboxID: string): string =>
  bundle
    .split('/')
    .map((part) => (part === containerID ? sandboxID : part))
    .join('/')
