import { z } from 'zod'

// Every leaf's message is the end of the sentence "expected ...": whatever the check that failed, the person who wrote
// the file needs to know what belongs there.

export const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, `one of ${words.join(', ')}`)

/** A missing section is one whose keys are all missing, so that each of them gets its default. */
export const section = <T extends z.core.$ZodShape>(keys: T) =>
  z.strictObject(keys, 'a map of keys and values')

/** One item, or a list of them; the list is the first alternative, as src/config/problems.ts expects. */
export const oneOrMore = <T extends z.ZodType>(item: T, expected: string) =>
  z.union([z.array(item, expected).min(1, expected), item.transform((one) => [one])], expected)
