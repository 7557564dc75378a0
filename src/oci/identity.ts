import type { Spec } from './spec.js'

/** Who a container is, as its engine's annotations say. */
export interface Identity {
  readonly role: 'sandbox' | 'container'
  /** No engine of pods made it (podman, docker, ctr): a sandbox with a process that is no pause. */
  readonly isAlone: boolean
  readonly containerID: string
  readonly sandboxID: string
  /** Undefined for a container whose engine tells only its sandbox. */
  readonly podUID: string | undefined
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly containerName: string | undefined
}

interface Dialect {
  readonly type: string
  readonly sandboxID: string
  readonly podUID: string
  readonly namespace: string
  readonly name: string
  readonly containerName: string
  /** A map of the pod's labels in JSON; undefined: the engine tells them to no runtime. */
  readonly labels?: string
}

const DIALECTS: readonly Dialect[] = [
  {
    type: 'io.kubernetes.cri.container-type',
    sandboxID: 'io.kubernetes.cri.sandbox-id',
    podUID: 'io.kubernetes.cri.sandbox-uid',
    namespace: 'io.kubernetes.cri.sandbox-namespace',
    name: 'io.kubernetes.cri.sandbox-name',
    containerName: 'io.kubernetes.cri.container-name',
  },
  {
    type: 'io.kubernetes.cri-o.ContainerType',
    sandboxID: 'io.kubernetes.cri-o.SandboxID',
    podUID: 'io.kubernetes.pod.uid',
    namespace: 'io.kubernetes.pod.namespace',
    name: 'io.kubernetes.pod.name',
    containerName: 'io.kubernetes.container.name',
    labels: 'io.kubernetes.cri-o.Labels',
  },
]

/** A container without a pod's annotations (podman, docker, ctr) is a pod of its own. @throws Error with a sentence */
export function identify(spec: Spec, containerID: string): Identity {
  const annotations = spec.annotations ?? {}
  const [dialect, second] = DIALECTS.filter(({ type }) => annotations[type] !== undefined)
  // CRI-O passes all annotations of a pod: in another engine's words a pod could give itself any name and namespace.
  if (dialect && second)
    throw new Error(
      `it has both annotations ${dialect.type} and ${second.type}: take the one out of the pod that you put there`,
    )
  if (!dialect) {
    const alone = { sandboxID: containerID, podUID: containerID, namespace: undefined, name: undefined }
    return { role: 'sandbox', isAlone: true, containerID, containerName: undefined, ...alone }
  }
  const role = annotations[dialect.type]
  const sandboxID = annotations[dialect.sandboxID]
  if (role !== 'sandbox' && role !== 'container')
    throw new Error(`its annotation ${dialect.type} is "${role}", and neither sandbox nor container`)
  if (!sandboxID) throw new Error(`it has the annotation ${dialect.type} but no ${dialect.sandboxID}`)
  const podUID = annotations[dialect.podUID]
  return {
    role,
    isAlone: false,
    containerID,
    sandboxID,
    // A sandbox that its engine gave no uid is known by its own id.
    podUID: podUID || (role === 'sandbox' ? sandboxID : undefined),
    namespace: annotations[dialect.namespace],
    name: annotations[dialect.name],
    containerName: annotations[dialect.containerName],
  }
}

/**
 * The pod's labels by the annotations of its sandbox; undefined when its engine tells them elsewhere.
 * @throws Error with a sentence when they can't be read
 */
export function labelsIn(annotations: Readonly<Record<string, string>>): Record<string, string> | undefined {
  const dialect = DIALECTS.find(({ type }) => annotations[type] !== undefined)
  if (dialect?.labels === undefined) return undefined
  const text = annotations[dialect.labels]
  if (text === undefined) return {}
  const labels = parseMap(text)
  if (!labels) throw new Error(`its annotation ${dialect.labels} is no map of texts in JSON`)
  return labels
}

function parseMap(text: string): Record<string, string> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (isMap && Object.values(value).every((one) => typeof one === 'string'))
      return value as Record<string, string>
  } catch {}
  return undefined
}
