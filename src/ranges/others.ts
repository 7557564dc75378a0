import type { Account } from './accounts.js'
import { type IdRange, overlaps, printRange, type Span } from './range.js'
import { IdSpace } from './space.js'
import { isOwn, printLine, type SubidFile, type SubidUser } from './subids.js'

/** Somebody else who owns host ids, whether or not a process lives in them. */
export interface Other {
  /** In words, with the place where it stands; no two have the same. */
  readonly owner: string
  readonly ranges: readonly IdRange[]
}

/** What a host's files say of who owns ids. */
export interface HostFiles {
  readonly subuids: SubidFile
  readonly subgids: SubidFile
  readonly passwd: { readonly path: string; readonly accounts: readonly Account[] }
  readonly group: { readonly path: string; readonly accounts: readonly Account[] }
}

const IDS = 2 ** 32

export const userNamed = (name: string, { passwd }: HostFiles): SubidUser => ({
  name,
  uid: passwd.accounts.find((account) => account.name === name)?.id,
})

/**
 * Users with subordinate ids, and users and groups themselves, by their files: all of them, those below the span too.
 * @param user whose subordinate ids are ours, and so not among them
 */
export function othersOf({ subuids, subgids, passwd, group }: HostFiles, user: SubidUser): Other[] {
  const delegated = (kind: string, { path, entries }: SubidFile) =>
    entries
      .filter((entry) => !isOwn(entry, user) && entry.hostID < IDS && entry.length > 0)
      .map(({ owner, line, hostID, length }): Other => {
        const range = { hostID, length: Math.min(length, IDS - hostID) }
        const place = printLine(path, line)
        return { owner: `${owner}'s ${kind} ${printRange(range)} (${place})`, ranges: [range] }
      })
  const single = (hostID: number) => ({ hostID, length: 1 })
  const users = passwd.accounts.map(({ name, id, groupID, line }): Other => {
    const ids = groupID === undefined ? `uid ${id}` : `uid ${id} and gid ${groupID}`
    const ranges = [id, groupID ?? id].map(single)
    return { owner: `the user ${name}, ${ids} (${printLine(passwd.path, line)})`, ranges }
  })
  const groups = group.accounts.map(({ name, id, line }): Other => {
    const place = printLine(group.path, line)
    return { owner: `the group ${name}, gid ${id} (${place})`, ranges: [single(id)] }
  })
  return [
    ...delegated('subordinate uids', subuids),
    ...delegated('subordinate gids', subgids),
    ...users,
    ...groups,
  ]
}

/** Those who own an id of the span. */
export function within({ firstID, count }: Span, others: readonly Other[]): Other[] {
  const span = { hostID: firstID, length: count }
  return others.filter(({ ranges }) => ranges.some((range) => overlaps(range, span)))
}

const NAMED = 5

/** For a sentence: the first few by name, and how many more there are. */
export function printOthers(others: readonly Other[]): string {
  const names = others.slice(0, NAMED).map(({ owner }) => owner)
  const more = others.length - names.length
  return more > 0 ? `${names.join('; ')}; and ${more} more` : names.join('; ')
}

/** @throws Error in words when the others leave fewer ranges than there may be pods */
export function checkRoom(span: Span, podLimit: number, others: readonly Other[]): void {
  const space = new IdSpace(span)
  for (const { ranges } of others)
    for (const range of ranges) {
      const touched = space.touched(range)
      if (touched) space.hold(touched)
    }
  if (space.free >= podLimit) return
  const ids = printRange({ hostID: span.firstID, length: span.count })
  throw new Error(
    `Of the ${space.total} ranges of the ids ${ids} only ${space.free} are free, but podLimit is ${podLimit}: others own ids there, ${printOthers(within(span, others))}. Move the span or the others' ids, make the span larger, or podLimit lower`,
  )
}
