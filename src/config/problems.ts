import { closest, distance } from 'fastest-levenshtein'
import type { z } from 'zod'

type Path = readonly PropertyKey[]

/** What is wrong at a place in the file; `inKey` when the place is the key's name and not its value. */
export interface Problem {
  readonly path: Path
  readonly inKey: boolean
  readonly message: string
}

export const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], root)

/** A value as its writer sees it, short enough for a line. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') {
    return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value)}`
  }
  return typeof value === 'object' ? 'a map' : `${value}`
}

/** More than a third of the letters wrong, and two at least, is another word and not a slip. */
function nearest(word: string, words: readonly string[]): string | undefined {
  const fold = (text: string) => text.toLowerCase()
  const match = closest(fold(word), words.map(fold))
  const isNear = distance(fold(word), match) <= Math.max(2, word.length / 3)
  return isNear ? words.find((candidate) => fold(candidate) === match) : undefined
}

function unknownKey(key: string, section: Path, known: readonly string[]): Problem {
  const place = section.length ? ` in ${section.join('.')}` : ''
  const match = nearest(key, known)
  const hint = match ? `did you mean "${match}"?` : `the keys are ${known.join(', ')}`
  const message = `unknown key ${JSON.stringify(key)}${place}; ${hint}`
  return { path: [...section, key], inKey: true, message }
}

/**
 * The schema's complaints about `value`, in words.
 * @param defaults a value that has every key of the schema
 */
export function explain(issues: readonly z.core.$ZodIssue[], value: unknown, defaults: unknown): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const { path } = issue
    const name = path.length ? `${path.join('.')}: ` : ''
    if (issue.code === 'unrecognized_keys') {
      const known = Object.keys(valueAt(defaults, path) as object)
      return issue.keys.map((key) => unknownKey(key, path, known))
    }
    // Only the check of several keys together is custom without being about a single value.
    if (issue.code === 'custom' && typeof valueAt(defaults, path) === 'object') {
      return [{ path, inKey: true, message: `${name}${issue.message}` }]
    }
    const message = `${name}expected ${issue.message}, found ${describe(valueAt(value, path))}`
    return [{ path, inKey: false, message }]
  })
}
