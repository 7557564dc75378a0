/** What of a container decides whether it may run in a range of its own. */
export interface ContainerFacts {
  /** Of network, pid and ipc: those that it shares with the host. */
  readonly hostNamespaces: readonly string[]
  readonly privileged: boolean
  /** Its engine gave it a user namespace already: Kubernetes' hostUsers: false, or podman's --userns. */
  readonly hasUserNamespace: boolean
  /** The highest uid, gid or supplementary group that its first process asks for. */
  readonly highestID: number
}

export type Admission =
  | { readonly outcome: 'map' }
  | { readonly outcome: 'skip'; readonly reason: string }
  | { readonly outcome: 'refuse'; readonly reason: string }

/** @param idsPerPod length of the pod's range, in ids */
export function admit(facts: ContainerFacts, idsPerPod: number): Admission {
  if (facts.hasUserNamespace) return { outcome: 'skip', reason: 'it has a user namespace of its own' }
  if (facts.hostNamespaces.length > 0)
    return refuse(
      `it shares the host's ${facts.hostNamespaces.join(', ')} namespace, which a pod in an id range of its own can't: ` +
        `take ${facts.hostNamespaces.map((name) => POD_FIELDS[name] ?? name).join(', ')} out of the pod, or run it by another runtime handler`,
    )
  if (facts.privileged)
    return refuse(
      'it is privileged, which a container in an id range of its own can not be: ' +
        'take privileged: true out of its securityContext, or run the pod by another runtime handler',
    )
  if (facts.highestID >= idsPerPod)
    return refuse(
      `it asks for the user or group id ${facts.highestID}, and a pod has the ids 0-${idsPerPod - 1}: ` +
        'choose a lower runAsUser, runAsGroup, fsGroup or supplementalGroups, or raise ranges.idsPerPod',
    )
  return { outcome: 'map' }
}

const POD_FIELDS: Record<string, string> = { network: 'hostNetwork', pid: 'hostPID', ipc: 'hostIPC' }

const refuse = (reason: string): Admission => ({ outcome: 'refuse', reason })
