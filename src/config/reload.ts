import { isDeepStrictEqual } from 'node:util'
import type { Config } from './schema.js'

/** What else is changed takes a restart: sockets are open, and ranges given, by what was read at the start. */
const CHANGEABLE = ['policy', 'log.level']

interface Change {
  readonly key: string
  readonly before: unknown
  readonly after: unknown
}

/**
 * The keys whose change a running daemon can follow.
 * @throws Error with a sentence when another key has changed too
 */
export function changesOf(before: Config, after: Config): string[] {
  const changes = differences(before, after)
  const fixed = changes.filter(({ key }) => !CHANGEABLE.includes(key))
  if (fixed.length === 0) return changes.map(({ key }) => key)
  const list = fixed.map(({ key, before, after }) => `${key} (${print(before)} before, ${print(after)} now)`)
  throw new Error(
    `only ${CHANGEABLE.join(' and ')} may change while the daemon runs, and changed is also ${list.join(', ')}: ` +
      'restart the daemon, or take that change back',
  )
}

function differences(before: object, after: object, section = ''): Change[] {
  return Object.entries(before).flatMap(([name, value]): Change[] => {
    const key = `${section}${name}`
    const now: unknown = (after as Record<string, unknown>)[name]
    if (isDeepStrictEqual(value, now)) return []
    if (typeof value === 'object' && value && !CHANGEABLE.includes(key))
      return differences(value, now as object, `${key}.`)
    return [{ key, before: value, after: now }]
  })
}

const print = (value: unknown): string => String(value)
