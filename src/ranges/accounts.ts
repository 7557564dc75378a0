/** A line of /etc/passwd or /etc/group. */
export interface Account {
  readonly name: string
  /** The uid or gid. */
  readonly id: number
  /** The gid of a user's own group. */
  readonly groupID?: number | undefined
  readonly line: number
}

/**
 * passwd(5): `name:password:uid:gid:...`. As in the C library (nss/nss_files), blanks may lead, `#` begins a comment and
 * numbers are decimal; what doesn't read is no account.
 */
export const parsePasswd = (text: string): Account[] => parse(text, true)

/** group(5): `name:password:gid:...`. */
export const parseGroup = (text: string): Account[] => parse(text, false)

function parse(text: string, hasGroup: boolean): Account[] {
  const accounts: Account[] = []
  for (const [index, content] of text.split('\n').entries()) {
    const [name = '', , first, second] = content.trimStart().split(':')
    const id = decimal(first)
    const groupID = hasGroup ? decimal(second) : undefined
    if (name === '' || name.startsWith('#') || id === undefined) continue
    accounts.push({ name, id, groupID, line: index + 1 })
  }
  return accounts
}

const decimal = (text = ''): number | undefined => (/^\s*\d+$/.test(text) ? Number(text) : undefined)
