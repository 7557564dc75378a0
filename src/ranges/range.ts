/** Ids in a block, the unit in which the host's id space is dealt out: what a pod needs to have ids 0-65535 of its own. */
export const BLOCK = 65536

/** Ids are 32 bits wide in the kernel; 2^32 - 1 is the invalid id (user_namespaces(7), setresuid(2)). */
const INVALID_ID = 2 ** 32 - 1
const LAST_BLOCK = 2 ** 32 - BLOCK

/** A run of host ids that one pod owns, for uids and gids alike; container id 0 is hostID. */
export interface IdRange {
  readonly hostID: number
  readonly length: number
}

/** The host ids that pods may be given. All three are counts of ids. */
export interface Span {
  readonly firstID: number
  readonly count: number
  readonly idsPerPod: number
}

export const overlaps = (a: IdRange, b: IdRange): boolean =>
  a.hostID < b.hostID + b.length && b.hostID < a.hostID + a.length

/** First and last id, as in "131072-196607". */
export const printRange = ({ hostID, length }: IdRange): string => `${hostID}-${hostID + length - 1}`

/** Every block of the host but the first, the host's own, and the last, the invalid id's; whole ranges of idsPerPod. */
export function widestSpan(idsPerPod: number): Span {
  const ids = LAST_BLOCK - idsPerPod
  return { firstID: idsPerPod, count: ids - (ids % idsPerPod), idsPerPod }
}

/**
 * What has to be true wherever the span lies.
 * @throws RangeError as checkSpan
 */
export function checkPods(idsPerPod: number, podLimit: number): void {
  if (idsPerPod === 0 || idsPerPod % BLOCK !== 0) {
    throw new RangeError(`idsPerPod is ${idsPerPod}, but must be a multiple of ${BLOCK} and not 0`)
  }
  if (podLimit === 0) throw new RangeError('podLimit is 0, but must be 1 or more')
  const ranges = widestSpan(idsPerPod).count / idsPerPod
  if (ranges < podLimit) {
    throw new RangeError(
      `podLimit is ${podLimit}, but a host has ids for ${Math.max(ranges, 0)} pods of ${idsPerPod} ids: podLimit or idsPerPod must be lower`,
    )
  }
}

/**
 * The checks of the kubelet's user-namespace manager at its start.
 * @param podLimit pods that the node may have at once, 1 or more
 * @param names what the reader knows the span's first id and count as
 * @throws RangeError that says which number is wrong and what it must be
 */
export function checkSpan(
  { firstID, count, idsPerPod }: Span,
  podLimit: number,
  names = { firstID: 'firstID', count: 'count' },
): void {
  const numbers = { [names.firstID]: firstID, [names.count]: count, idsPerPod, podLimit }
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`${name} is ${value}, but must be a whole number, 0 or more`)
    }
  }
  checkPods(idsPerPod, podLimit)
  if (firstID % idsPerPod !== 0) {
    throw new RangeError(`${names.firstID} is ${firstID}, but must be a multiple of idsPerPod (${idsPerPod})`)
  }
  if (firstID < idsPerPod) {
    throw new RangeError(
      `${names.firstID} is ${firstID}, but must be ${idsPerPod} or more: ids 0-${BLOCK - 1} belong to the host`,
    )
  }
  if (count === 0 || count % idsPerPod !== 0) {
    throw new RangeError(
      `${names.count} is ${count}, but must be a multiple of idsPerPod (${idsPerPod}) and not 0`,
    )
  }
  if (firstID + count > LAST_BLOCK) {
    throw new RangeError(
      `the span ${printRange({ hostID: firstID, length: count })} reaches into ids ${LAST_BLOCK}-${INVALID_ID}, the last of which is the kernel's invalid id: ${names.firstID} and ${names.count} must add up to ${LAST_BLOCK} or less`,
    )
  }
  const ranges = count / idsPerPod
  if (ranges < podLimit) {
    throw new RangeError(
      `${names.count} is ${count}, room for ${ranges} pods of ${idsPerPod} ids, but podLimit is ${podLimit}: ${names.count} must be ${podLimit * idsPerPod} or more, or podLimit lower`,
    )
  }
}
