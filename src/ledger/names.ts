import { isAbsolute } from 'node:path'

const PATH_SAFE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/

/** Fit to be a file's name as it stands: no slash, no leading dot, 253 characters at most. */
export const isPathSafe = (name: string): boolean => PATH_SAFE.test(name)

/** @throws Error in words; `what` begins the sentence, as in "pod uid" */
export function checkName(what: string, name: string): void {
  if (isPathSafe(name)) return
  throw new Error(
    `${what} ${JSON.stringify(name)} can't name a file: it must be 1 to 253 letters, digits, ".", "_" or "-", the first a letter or digit`,
  )
}

/** @throws Error in words */
export function checkBundle(bundle: string): void {
  if (isAbsolute(bundle) && !bundle.includes('\0')) return
  throw new Error(`bundle ${JSON.stringify(bundle)} must be an absolute path`)
}
