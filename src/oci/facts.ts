import type { ContainerFacts } from '../policy/admission.js'
import type { Subject } from '../policy/rules.js'
import type { IdRange } from '../ranges/range.js'
import type { Identity } from './identity.js'
import type { Spec } from './spec.js'

const SHAREABLE = ['network', 'pid', 'ipc']

/** What admission asks of a specification. */
export function factsOf(spec: Spec): ContainerFacts {
  const namespaces = new Set(spec.linux?.namespaces?.map(({ type }) => type))
  const { uid = 0, gid = 0, additionalGids } = spec.process?.user ?? {}
  return {
    hostNamespaces: SHAREABLE.filter((type) => !namespaces.has(type)),
    // Engines make /sys writable for privileged containers alone; no field of the specification has the word.
    privileged: (spec.mounts ?? []).some(({ type, options }) => type === 'sysfs' && !options?.includes('ro')),
    hasUserNamespace: namespaces.has('user'),
    highestID: Math.max(uid, gid, ...(additionalGids ?? [])),
  }
}

/** The host ids of a container that has mappings already. */
export const mappedRanges = (spec: Spec): IdRange[] =>
  [...(spec.linux?.uidMappings ?? []), ...(spec.linux?.gidMappings ?? [])].map(({ hostID, size }) => ({
    hostID,
    length: size,
  }))

/** Capabilities that the container's author added for a network that isn't the pod's own. */
export const vainCapabilities = (spec: Spec): string[] =>
  (spec.process?.capabilities?.bounding ?? []).filter((name) => name === 'CAP_NET_ADMIN')

/**
 * What rules are asked about.
 * @param annotations the pod's: those of its sandbox's specification
 * @param labels the pod's, too
 */
export const subjectOf = (
  spec: Spec,
  { role, isAlone, namespace, name }: Identity,
  { annotations, labels }: Pick<Subject, 'annotations' | 'labels'>,
): Subject => ({
  namespace,
  pod: name,
  labels,
  annotations,
  user: role === 'container' || isAlone ? (spec.process?.user?.uid ?? 0) : undefined,
})
