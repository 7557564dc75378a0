import { annotationOf, type Policy, printSetting, quote, type Ruling, type Setting } from './rules.js'

/** By this annotation a pod asks for so many ids. */
export const SIZE_ANNOTATION = 'ids-per-pod.userns.nri.io'

/** What a range is made of: ids 0-65535 are what a pod needs at the least. See src/ranges. */
const BLOCK = 65536

/** The longest range that a host could have: all its ids but the first block, the host's own, and the last (src/ranges). */
export const LONGEST_RANGE = 2 ** 32 - 2 * BLOCK

/** Ids of a range, or why there are none: the end of a sentence that names the pod. */
export type Size = { readonly ids: number } | { readonly reason: string }

/**
 * The ids of a pod that gets its range now.
 * @param by what of the policy decided about it
 * @param idsPerPod of those about which the policy doesn't say
 */
export function sizeOf(
  policy: Policy,
  by: Setting,
  annotations: Readonly<Record<string, string>>,
  idsPerPod: number,
): Size {
  const ruling = rulingOf(policy, by)
  const ids = ruling.idsPerPod ?? idsPerPod
  const text = annotationOf(annotations, SIZE_ANNOTATION)
  if (text === undefined) return { ids }
  const wanted = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(wanted) || wanted % BLOCK !== 0)
    return {
      reason:
        `its annotation ${SIZE_ANNOTATION} is ${quote(text)}, which is no multiple of ${BLOCK}: ` +
        'correct it or take it out of the pod',
    }
  if (wanted === ids || wanted <= (ruling.maxIdsPerPod ?? 0)) return { ids: wanted }
  return {
    reason:
      `its annotation ${SIZE_ANNOTATION} asks for ${wanted} ids, and ${printSetting(by)} gives it ${ids}` +
      `${ruling.maxIdsPerPod ? `, or ${ruling.maxIdsPerPod} at most` : ''}: ` +
      `take it out of the pod, or have the node's admin set maxIdsPerPod in ${printSetting(by)} to ${wanted} or more`,
  }
}

/** Whether every pod of the policy has the same number of ids. */
export const isOneSize = ({ rules, default: last }: Policy): boolean =>
  [...rules, last].every(
    ({ idsPerPod, maxIdsPerPod }) => idsPerPod === undefined && maxIdsPerPod === undefined,
  )

/** The smallest range that has this id; undefined when none can. */
export function sizeFor(id: number): number | undefined {
  const ids = (Math.floor(id / BLOCK) + 1) * BLOCK
  return ids <= LONGEST_RANGE ? ids : undefined
}

function rulingOf(policy: Policy, by: Setting): Ruling {
  const ruling = typeof by === 'number' ? policy.rules[by] : undefined
  return ruling ?? policy.default
}
