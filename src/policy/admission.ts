import { SIZE_ANNOTATION, sizeFor } from './size.js'

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

/** What becomes of those that can't be mapped for what they ask of the host. */
export interface Choices {
  readonly hostNamespaces: 'refuse' | 'skip'
  readonly privileged: 'refuse' | 'skip'
}

export type Admission =
  | { readonly outcome: 'map' }
  | { readonly outcome: 'skip' | 'refuse'; readonly reason: string; readonly by?: keyof Choices }

/** @param ids length of the pod's range */
export function admit(facts: ContainerFacts, ids: number, choices: Choices): Admission {
  if (facts.hasUserNamespace) return { outcome: 'skip', reason: 'it has a user namespace of its own' }
  const obstacles = obstaclesOf(facts)
  const refused = obstacles.find(({ by }) => choices[by] === 'refuse')
  if (refused) return { outcome: 'refuse', by: refused.by, reason: `${refused.what}, ${refused.why}` }
  const [skipped] = obstacles
  if (skipped)
    return {
      outcome: 'skip',
      by: skipped.by,
      reason: `${skipped.what}, and policy.${skipped.by} leaves it alone`,
    }
  if (facts.highestID >= ids) return { outcome: 'refuse', reason: beyond(facts.highestID, ids) }
  return { outcome: 'map' }
}

function beyond(id: number, ids: number): string {
  const what = `it asks for the user or group id ${id}, and the pod has the ids 0-${ids - 1}`
  const lower = 'choose a lower runAsUser, runAsGroup, fsGroup or supplementalGroups'
  const enough = sizeFor(id)
  if (enough === undefined) return `${what}: ${lower}`
  return (
    `${what}: ${lower}, or make the pod anew with ${enough} ids, by idsPerPod in the policy of this node, or by the ` +
    `pod's annotation ${SIZE_ANNOTATION} where the policy allows it`
  )
}

/** A container shares with the host what its sandbox does, though its own specification only names the sandbox. */
export const inSandbox = (
  container: ContainerFacts,
  { hostNamespaces, privileged }: Pick<ContainerFacts, 'hostNamespaces' | 'privileged'>,
): ContainerFacts => ({
  ...container,
  hostNamespaces: [...new Set([...hostNamespaces, ...container.hostNamespaces])],
  privileged: privileged || container.privileged,
})

interface Obstacle {
  readonly by: keyof Choices
  readonly what: string
  readonly why: string
}

const POD_FIELDS: Record<string, string> = { network: 'hostNetwork', pid: 'hostPID', ipc: 'hostIPC' }

function obstaclesOf({ hostNamespaces, privileged }: ContainerFacts): Obstacle[] {
  const obstacles: Obstacle[] = []
  if (hostNamespaces.length > 0)
    obstacles.push({
      by: 'hostNamespaces',
      what: `it shares the host's ${hostNamespaces.join(', ')} namespace`,
      why:
        "which a pod in an id range of its own can't: " +
        `take ${hostNamespaces.map((name) => POD_FIELDS[name] ?? name).join(', ')} out of the pod, or run it by another runtime handler`,
    })
  if (privileged)
    obstacles.push({
      by: 'privileged',
      what: 'it is privileged',
      why:
        'which a container in an id range of its own can not be: ' +
        'take privileged: true out of its securityContext, or run the pod by another runtime handler',
    })
  return obstacles
}
