import { liveIdMaps } from '../kernel/idmaps.js'
import { reconcile } from '../ledger/reconcile.js'
import { printOthers, within } from '../ranges/others.js'
import { type IdRange, printRange } from '../ranges/range.js'
import type { Node } from './node.js'

/**
 * Before the first pod is served: no range is given out that others own, or live in. The runtime isn't asked, which may
 * be away for long; Synchronize looks again.
 */
export async function avoidOthers(node: Node): Promise<void> {
  await avoidOwners(node)
  const { ledger } = node
  const live = await liveRanges()
  const nothingGone = () => true
  const { foreign } = reconcile({
    entries: ledger.entries(),
    runtime: undefined,
    live,
    bundleExists: nothingGone,
  })
  for (const { claim, ranges } of foreign) ledger.avoid(claim, ranges)
}

/** Claims of those who own ids by the host's files are brought up to date; who is new among them is logged. */
export async function avoidOwners({ ledger, log, readOthers, othersLevel }: Node): Promise<void> {
  const others = within(ledger.span, await readOthers())
  const claims = new Set(ledger.claims('standing'))
  const current = new Set(others.map(({ owner }) => owner))
  for (const claim of claims) if (!current.has(claim)) ledger.stopAvoiding(claim)
  for (const { owner, ranges } of others) {
    for (const pod of ledger.avoid(owner, ranges, 'standing'))
      log.error('id range shared', {
        pod: pod.name,
        namespace: pod.namespace,
        uid: pod.podUID,
        range: printRange(pod.range),
        reason: `ids in it are also those of ${owner}: delete the pod, so that it is made anew in another range`,
      })
  }
  const unheard = others.filter(({ owner }) => !claims.has(owner))
  if (unheard.length === 0) return
  const reason = `no pod gets the ranges in which others own ids: ${printOthers(unheard)}`
  log[othersLevel]('ranges avoided', { reason, avoided: ledger.usage.avoided })
}

/** Processes in user namespaces and the host ids that they live in. */
export const liveRanges = async (): Promise<{ pid: number; ranges: readonly IdRange[] }[]> =>
  (await liveIdMaps()).map(({ pid, map }) => ({ pid, ranges: map }))
