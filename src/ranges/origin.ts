import { type HostFiles, userNamed } from './others.js'
import { type Span, widestSpan } from './range.js'
import { subidSpan } from './subids.js'

/** Where the ids come from that pods are given. */
export type Origin = {
  readonly idsPerPod: number
  /** Pods that the span must have room for. */
  readonly podLimit: number
  /** Whose entries in /etc/subuid and /etc/subgid are the daemon's. */
  readonly user: string
} & (
  | { readonly from: 'explicit'; readonly firstID: number; readonly count: number }
  | { readonly from: 'subids' | 'rest' }
)

/**
 * The span; which of its ranges others own is another question.
 * @throws Error in words when the user's entries can't be used
 */
export function spanOf(origin: Origin, files: HostFiles): Span {
  const { from, idsPerPod } = origin
  if (from === 'rest') return widestSpan(idsPerPod)
  if (from === 'explicit') return { firstID: origin.firstID, count: origin.count, idsPerPod }
  return subidSpan({ uids: files.subuids, gids: files.subgids }, userNamed(origin.user, files), origin)
}
