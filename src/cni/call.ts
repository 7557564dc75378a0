import { isAbsolute } from 'node:path'

/** How a plugin is called: CNI specification 1.1.0, section 2, "Parameters" and "Operations". */
export type CniCall = AttachmentCall | NodeCall

interface AttachmentCall {
  readonly command: 'ADD' | 'DEL' | 'CHECK'
  readonly cniVersion: string
  readonly sandboxID: string
  /** Absolute; undefined with a DEL that comes when the netns is gone. */
  readonly netns: string | undefined
  readonly pod: { readonly uid: string; readonly namespace?: string; readonly name?: string }
  /** The pod's, when the plugin's entry in the conflist asks for them; otherwise none. */
  readonly annotations: Readonly<Record<string, string>>
  readonly prevResult: object | undefined
}

interface NodeCall {
  readonly command: 'STATUS' | 'GC'
  readonly cniVersion: string
  /** With GC, every sandbox that still has a network. */
  readonly validSandboxes: ReadonlySet<string>
}

/** The environment and stdin of the call. */
export interface CniInput {
  readonly command: string
  readonly containerID: string
  readonly netns: string
  readonly ifName: string
  readonly args: string
  readonly config: string
}

export const SUPPORTED_VERSIONS = ['0.4.0', '1.0.0', '1.1.0']

/** @throws Error with a sentence that names the variable or key at fault */
export function parseCall(input: CniInput): CniCall {
  const { command } = input
  const config = parseConfig(input.config)
  const cniVersion = config.cniVersion
  if (typeof cniVersion !== 'string' || !SUPPORTED_VERSIONS.includes(cniVersion))
    throw new Error(
      `the conflist's cniVersion is ${JSON.stringify(cniVersion)}, and must be one of ${SUPPORTED_VERSIONS.join(', ')}`,
    )
  if (command === 'STATUS') return { command, cniVersion, validSandboxes: new Set() }
  if (command === 'GC')
    return { command, cniVersion, validSandboxes: validSandboxes(config['cni.dev/valid-attachments']) }
  if (command !== 'ADD' && command !== 'DEL' && command !== 'CHECK')
    throw new Error(`CNI_COMMAND is ${JSON.stringify(command)}, which CNI 1.1 doesn't have`)
  return {
    command,
    cniVersion,
    sandboxID: checkedID(input.containerID),
    netns: checkedNetns(command, input.netns),
    pod: podOf(input),
    annotations: annotationsIn(config.runtimeConfig),
    prevResult: isObject(config.prevResult) ? config.prevResult : undefined,
  }
}

/** A plugin that adds no interface hands on what the ones before it did: section 2, "ADD". */
export function printResult({ cniVersion, prevResult }: AttachmentCall): string {
  return JSON.stringify(prevResult ?? { cniVersion, interfaces: [], ips: [], routes: [], dns: {} })
}

function parseConfig(text: string): Record<string, unknown> {
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (error) {
    throw new Error(`the configuration on stdin is not JSON: ${(error as Error).message}`)
  }
  if (!isObject(config)) throw new Error('the configuration on stdin is not a JSON object')
  return config
}

/** Section 2: letters and digits first, then also ".", "_" and "-". */
function checkedID(containerID: string): string {
  if (/^[A-Za-z0-9][\w.-]*$/.test(containerID)) return containerID
  throw new Error(`CNI_CONTAINERID is ${JSON.stringify(containerID)}, which is no container's id`)
}

function checkedNetns(command: string, netns: string): string | undefined {
  if (isAbsolute(netns)) return netns
  if (netns === '' && command === 'DEL') return undefined
  throw new Error(`CNI_NETNS is ${JSON.stringify(netns)}, and must be an absolute path`)
}

/** Kubernetes' runtimes tell the pod in CNI_ARGS. A container of another engine is a pod of its own, as at its create. */
function podOf({ args, containerID }: CniInput): AttachmentCall['pod'] {
  const pairs = new Map(args.split(';').map((pair) => pair.split('=', 2) as [string, string | undefined]))
  const namespace = pairs.get('K8S_POD_NAMESPACE')
  const name = pairs.get('K8S_POD_NAME')
  return {
    uid: pairs.get('K8S_POD_UID') || containerID,
    ...(namespace && { namespace }),
    ...(name && { name }),
  }
}

/**
 * A capability by which containerd and CRI-O hand over a pod's annotations, as CNI's "runtimeConfig" does with what only
 * the runtime knows (CONVENTIONS.md).
 */
export const ANNOTATIONS_CAPABILITY = 'io.kubernetes.cri.pod-annotations'

function annotationsIn(runtimeConfig: unknown): Record<string, string> {
  const annotations = isObject(runtimeConfig) ? runtimeConfig[ANNOTATIONS_CAPABILITY] : undefined
  if (!isObject(annotations)) return {}
  return Object.fromEntries(
    Object.entries(annotations).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  )
}

function validSandboxes(attachments: unknown): Set<string> {
  const isValid = (one: unknown): one is { containerID: string } =>
    isObject(one) && typeof one.containerID === 'string'
  // A list that can't be read must not be taken for an empty one, by which all would go.
  if (!Array.isArray(attachments) || !attachments.every(isValid))
    throw new Error('cni.dev/valid-attachments must be a list of objects that each have a containerID')
  return new Set(attachments.map(({ containerID }) => containerID))
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
