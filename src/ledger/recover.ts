import { BLOCK, type IdRange, printRange, type Span } from '../ranges/range.js'
import { parseRecord } from '../ranges/record.js'
import type { PodEntry } from './entry.js'
import { messageOf } from './fs-error.js'
import type { StoredPod } from './store.js'

/**
 * The entries that a restart finds on disk. A pod without a record, or with an empty one, has no range and no entry.
 * @throws Error that names the file, the reason and the way out, for the first record that can't stand
 */
export function recover(pods: StoredPod[], span: Span, fileOf: (podUID: string) => string): PodEntry[] {
  const entries: PodEntry[] = []
  /** By the first id of each block: good records are made of whole ones. */
  const owners = new Map<number, string>()
  for (const { podUID, text, since, sandboxes } of pods) {
    if (!text || !since) continue
    const range = parse(text, span, fileOf(podUID))
    for (let id = range.hostID; id < range.hostID + range.length; id += BLOCK) {
      const owner = owners.get(id)
      if (owner !== undefined) {
        const reason = `ids of its range ${printRange(range)} are those of pod ${owner} too (${fileOf(owner)})`
        throw refusal(`${fileOf(podUID)} of pod ${podUID}`, reason)
      }
      owners.set(id, podUID)
    }
    const confirmed = false
    entries.push({
      podUID,
      range,
      since,
      sandboxes: new Map(sandboxes.map((s) => [s.id, { ...s, confirmed }])),
    })
  }
  return entries
}

function parse(text: string, span: Span, file: string): IdRange {
  try {
    return parseRecord(text, span)
  } catch (error) {
    throw refusal(file, messageOf(error), error)
  }
}

function refusal(file: string, reason: string, cause?: unknown): Error {
  const remedy = 'The file is left as it is: move it away once no process of that pod lives, then start again'
  return new Error(`${file}: ${reason}. ${remedy}`, { cause })
}
