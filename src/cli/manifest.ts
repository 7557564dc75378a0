import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { printPath } from '../config/problems.js'
import type { ContainerFacts } from '../policy/admission.js'
import type { Subject } from '../policy/rules.js'

/** What the daemon would be asked about a pod's sandbox or container, as far as its manifest says. */
export interface Asked {
  readonly subject: Subject
  readonly facts: ContainerFacts
}

export interface ManifestContainer extends Asked {
  readonly name: string
  /** The manifest leaves it to the image whom the container starts as. */
  readonly isUserOfImage: boolean
}

export interface Manifest {
  readonly namespace: string
  readonly pod: string
  readonly sandbox: Asked
  readonly containers: readonly ManifestContainer[]
}

const id = z
  .int('a user or group id')
  .min(0, 'a user or group id')
  .max(2 ** 32 - 2, 'a user or group id')
const flag = z.boolean('true or false')
const text = z.string('a text')
const map = 'a map of keys and values'

const container = z.looseObject(
  {
    name: text,
    securityContext: z
      .looseObject({ runAsUser: id.nullish(), runAsGroup: id.nullish(), privileged: flag.nullish() }, map)
      .nullish(),
  },
  map,
)
const containers = z.array(container, 'a list of containers').nullish()

const podSchema = z.looseObject(
  {
    metadata: z.looseObject(
      {
        name: text.nullish(),
        generateName: text.nullish(),
        namespace: text.nullish(),
        labels: z.record(z.string(), text, 'a map of texts').nullish(),
        annotations: z.record(z.string(), text, 'a map of texts').nullish(),
      },
      map,
    ),
    spec: z.looseObject(
      {
        hostNetwork: flag.nullish(),
        hostPID: flag.nullish(),
        hostIPC: flag.nullish(),
        hostUsers: flag.nullish(),
        securityContext: z
          .looseObject(
            {
              runAsUser: id.nullish(),
              runAsGroup: id.nullish(),
              fsGroup: id.nullish(),
              supplementalGroups: z.array(id, 'a list of group ids').nullish(),
            },
            map,
          )
          .nullish(),
        initContainers: containers,
        containers,
        ephemeralContainers: containers,
      },
      map,
    ),
  },
  map,
)

type Pod = z.output<typeof podSchema>
type Container = z.output<typeof container>

/**
 * @param imageUser whom containers start as when the manifest doesn't say
 * @throws Error with a sentence when the text is no manifest of one Pod
 */
export function parseManifest(text: string, fileName: string, imageUser: number): Manifest {
  const fail = (reason: string) => new Error(`${fileName}: ${reason}`)
  const documents = parseAllDocuments(text)
  const [document] = documents
  if (documents.length !== 1 || !document) throw fail('expected the manifest of one Pod')
  if (document.errors[0]) throw fail(document.errors[0].message)
  const value: unknown = document.toJS()
  const kind = (value as { kind?: unknown } | null)?.kind
  if (kind !== 'Pod')
    throw fail(
      `expected kind: Pod, found ${typeof kind === 'string' ? kind : 'no kind'}; of what makes pods, take the template`,
    )
  const result = podSchema.safeParse(value)
  if (!result.success) {
    const { path, message } = result.error.issues[0]!
    throw fail(`${printPath(path)}: expected ${message}`)
  }
  return manifestOf(result.data, imageUser)
}

function manifestOf({ metadata, spec }: Pod, imageUser: number): Manifest {
  const namespace = metadata.namespace ?? 'default'
  // The API server adds five letters and digits.
  const pod = metadata.name ?? `${metadata.generateName ?? ''}xxxxx`
  const all = [spec.initContainers, spec.containers, spec.ephemeralContainers].flatMap((list) => list ?? [])
  const { labels, annotations } = metadata
  const subject = { namespace, pod, labels: labels ?? {}, annotations: annotations ?? {} }
  const onHost = { network: spec.hostNetwork, pid: spec.hostPID, ipc: spec.hostIPC }
  const facts = {
    hostNamespaces: Object.entries(onHost).flatMap(([name, isShared]) => (isShared ? [name] : [])),
    hasUserNamespace: spec.hostUsers === false,
  }
  return {
    namespace,
    pod,
    sandbox: {
      subject: { ...subject, user: undefined },
      // As the kubelet tells the runtime (HasPrivilegedContainer, pkg/kubelet/container/helpers.go).
      facts: { ...facts, privileged: all.some(isPrivileged), highestID: highestID(spec) },
    },
    containers: all.map((one) => ({
      name: one.name,
      isUserOfImage: userOf(one, spec) === undefined,
      subject: { ...subject, user: userOf(one, spec) ?? imageUser },
      facts: { ...facts, privileged: isPrivileged(one), highestID: highestID(spec, one, imageUser) },
    })),
  }
}

const isPrivileged = ({ securityContext }: Container): boolean => securityContext?.privileged ?? false

const userOf = ({ securityContext }: Container, pod: Pod['spec']): number | undefined =>
  securityContext?.runAsUser ?? pod.securityContext?.runAsUser ?? undefined

function highestID(pod: Pod['spec'], one?: Container, imageUser = 0): number {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups } = pod.securityContext ?? {}
  const own = one?.securityContext
  return Math.max(
    own?.runAsUser ?? runAsUser ?? imageUser,
    own?.runAsGroup ?? runAsGroup ?? 0,
    fsGroup ?? 0,
    ...(supplementalGroups ?? []),
  )
}
