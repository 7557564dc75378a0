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

/** As Kubernetes writes the places of fields: `policy.rules[2].match`. */
export const printPath = (path: Path): string =>
  path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')

/** A value as its writer sees it, short enough for a line. */
function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return value.length ? 'a list' : 'an empty list'
  if (typeof value === 'string') {
    return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value)}`
  }
  if (typeof value === 'object') return Object.keys(value).length ? 'a map' : 'an empty map'
  return `${value}`
}

/** More than a third of the letters wrong, and two at least, is another word and not a slip. */
function nearest(word: string, words: readonly string[]): string | undefined {
  const fold = (text: string) => text.toLowerCase()
  const match = closest(fold(word), words.map(fold))
  const isNear = distance(fold(word), match) <= Math.max(2, word.length / 3)
  return isNear ? words.find((candidate) => fold(candidate) === match) : undefined
}

function unknownKey(key: string, section: Path, known: readonly string[]): Problem {
  const place = section.length ? ` in ${printPath(section)}` : ''
  const match = nearest(key, known)
  const hint = match ? `did you mean "${match}"?` : `the keys are ${known.join(', ')}`
  const message = `unknown key ${JSON.stringify(key)}${place}; ${hint}`
  return { path: [...section, key], inKey: true, message }
}

/** Of a value or a list of values only what belongs to the alternative that was chosen: what is wrong with which item. */
function unfold(issue: z.core.$ZodIssue, value: unknown): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || !Array.isArray(valueAt(value, issue.path))) return [issue]
  const ofItems = (issue.errors[0] ?? []).filter(({ path }) => path.length > 0)
  if (ofItems.length === 0) return [issue]
  return ofItems.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

/**
 * The schema's complaints about `value`, in words.
 * @param sample a value that has every key of the schema; the first item of its lists stands for all
 */
export function explain(issues: readonly z.core.$ZodIssue[], value: unknown, sample: unknown): Problem[] {
  const sampleAt = (path: Path) =>
    valueAt(
      sample,
      path.map((key) => (typeof key === 'number' ? 0 : key)),
    )
  return issues
    .flatMap((issue) => unfold(issue, value))
    .flatMap((issue): Problem[] => {
      const { path } = issue
      const name = path.length ? `${printPath(path)}: ` : ''
      if (issue.code === 'unrecognized_keys') {
        const known = Object.keys(sampleAt(path) as object)
        return issue.keys.map((key) => unknownKey(key, path, known))
      }
      // Only the check of several keys together is custom without being about a single value.
      if (issue.code === 'custom' && issue.params?.together) {
        return [{ path, inKey: true, message: `${name}${issue.message}` }]
      }
      const message = `${name}expected ${issue.message}, found ${describe(valueAt(value, path))}`
      return [{ path, inKey: false, message }]
    })
}
