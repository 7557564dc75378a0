import { checkSpan, type IdRange, type Span } from './range.js'

/** A line of /etc/subuid or /etc/subgid. */
export interface SubidEntry extends IdRange {
  /** A login name, or a uid in digits. */
  readonly owner: string
  readonly line: number
}

export interface SubidFile {
  readonly path: string
  readonly entries: readonly SubidEntry[]
  /** Lines that give ids to nobody, as shadow-utils passes over them. */
  readonly unreadable: readonly { readonly owner: string; readonly line: number }[]
}

/** Whose entries are the daemon's own. */
export interface SubidUser {
  readonly name: string
  /** Undefined when the host has no such user: entries by name need none. */
  readonly uid: number | undefined
}

export const printLine = (path: string, line: number): string => `${path}:${line}`

/**
 * `owner:first:count` (subuid(5)), read as shadow-utils 4.13 does (lib/subordinateio.c, and tried with its getsubids):
 * numbers are strtoul's, so in octal behind a 0 and in hexadecimal behind a 0x, and may have blanks before but not
 * behind; further fields don't matter; a line that doesn't read is passed over. It knows no comments: to it, `#` begins
 * the name of an owner, who can't exist, as the C library takes such a line of /etc/passwd for a comment.
 */
export function parseSubids(text: string, path: string): SubidFile {
  const entries: SubidEntry[] = []
  const unreadable: { owner: string; line: number }[] = []
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1
    const [owner = '', first, count] = content.split(':')
    if (owner.trim() === '' || owner.startsWith('#')) continue
    const hostID = strtoul(first)
    const length = strtoul(count)
    if (hostID === undefined || length === undefined) unreadable.push({ owner, line })
    else entries.push({ owner, line, hostID, length })
  }
  return { path, entries, unreadable }
}

/** Also what is too large for an id: it reaches as far as ids do. */
function strtoul(text = ''): number | undefined {
  const digits = /^[ \t\v\f\r]*\+?(0[xX][\da-fA-F]+|0[0-7]*|[1-9]\d*)$/.exec(text)?.[1]
  if (digits === undefined) return undefined
  return /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits)
}

/**
 * An entry by name or by uid, as for getsubids. Not the name's digits in another form: owners are compared as text.
 */
export const isOwn = ({ owner }: { readonly owner: string }, { name, uid }: SubidUser): boolean =>
  owner === name || (uid !== undefined && owner === String(uid))

/**
 * The span that the user's entries give: one in each file, and both the same, for a pod's uids and gids are one range.
 * The kubelet asks the same of its own (getKubeletMappings in pkg/kubelet/kubelet_pods.go).
 * @throws Error that names file and line and says what to do
 */
export function subidSpan(
  { uids, gids }: { readonly uids: SubidFile; readonly gids: SubidFile },
  user: SubidUser,
  { idsPerPod, podLimit }: { readonly idsPerPod: number; readonly podLimit: number },
): Span {
  const uid = onlyEntry(uids, user, podLimit * idsPerPod)
  const gid = onlyEntry(gids, user, podLimit * idsPerPod)
  const [uidLine, gidLine] = [printLine(uids.path, uid.line), printLine(gids.path, gid.line)]
  if (uid.hostID !== gid.hostID || uid.length !== gid.length) {
    throw new Error(
      `${gidLine}: the entry of ${user.name} is ${printEntry(gid)}, but ${printEntry(uid)} in ${uidLine}: make them the same`,
    )
  }
  const span = { firstID: uid.hostID, count: uid.length, idsPerPod }
  try {
    checkSpan(span, podLimit, { firstID: 'the first id', count: 'the count' })
  } catch (error) {
    throw new Error(
      `${uidLine}: the entry ${printEntry(uid)}: ${(error as RangeError).message}. Change it here and in ${gidLine}`,
    )
  }
  return span
}

function onlyEntry({ path, entries, unreadable }: SubidFile, user: SubidUser, ids: number): SubidEntry {
  const bad = unreadable.find((line) => isOwn(line, user))
  if (bad) {
    throw new Error(
      `${printLine(path, bad.line)}: the entry of ${user.name} can't be read: write it as ${user.name}:FIRST:COUNT, two numbers, with nothing behind`,
    )
  }
  const own = entries.filter((entry) => isOwn(entry, user))
  const [entry] = own
  if (!entry) {
    throw new Error(
      `${path}: there is no entry of ${user.name}: add a line ${user.name}:FIRST:COUNT, COUNT being ${ids} or more, or take the ids from elsewhere with ranges.from`,
    )
  }
  if (own.length > 1) {
    throw new Error(
      `${printLine(path, own[1]!.line)}: a second entry of ${user.name}, after that of line ${entry.line}: make one of them, in one piece`,
    )
  }
  return entry
}

const printEntry = ({ owner, hostID, length }: SubidEntry): string => `${owner}:${hostID}:${length}`
