import { BLOCK, type IdRange, printRange, type Span } from './range.js'

/** One uid or gid mapping as the kubelet writes it; all three are 32-bit ids or counts of ids. */
interface Mapping {
  readonly hostId: number
  readonly containerId: number
  readonly length: number
}

const MAX_UINT32 = 2 ** 32 - 1

/** The kubelet's `userns` file of a pod (pkg/kubelet/userns), byte for byte. */
export function printRecord({ hostID, length }: IdRange): string {
  const mappings: Mapping[] = [{ hostId: hostID, containerId: 0, length }]
  return JSON.stringify({ uidMappings: mappings, gidMappings: mappings })
}

/**
 * A record of ours.
 * @throws Error whose message is the reason, fit to follow "FILE: "
 */
export function parseRecord(text: string, span: Span): IdRange {
  const range = parseAnyRecord(text)
  checkRange(range, span)
  return range
}

/**
 * A record of any manager, whatever its span. Unknown keys are ignored, as the kubelet does.
 * @throws Error as parseRecord
 */
export function parseAnyRecord(text: string): IdRange {
  const record = parseObject(text)
  const uids = onlyMapping(record, 'uidMappings')
  const gids = onlyMapping(record, 'gidMappings')
  for (const key of ['hostId', 'length'] as const) {
    if (uids[key] !== gids[key]) {
      throw new Error(`uids and gids differ: ${key} is ${uids[key]} for uids and ${gids[key]} for gids`)
    }
  }
  for (const { containerId } of [uids, gids]) {
    if (containerId !== 0)
      throw new Error(`containerId is ${containerId}, but must be 0, the container's root`)
  }
  return { hostID: uids.hostId, length: uids.length }
}

/** Whatever idsPerPod is now: another pod's rule, or an earlier config, gave it its own length. */
function checkRange(range: IdRange, { firstID, count }: Span): void {
  if (range.length === 0 || range.length % BLOCK !== 0) {
    throw new Error(`length is ${range.length}, but must be a multiple of ${BLOCK} and not 0`)
  }
  if (range.hostID % range.length !== 0) {
    throw new Error(`hostId is ${range.hostID}, which is not a multiple of the length ${range.length}`)
  }
  if (range.hostID < BLOCK) {
    throw new Error(`hostId is ${range.hostID}, but ids 0-${BLOCK - 1} belong to the host`)
  }
  if (range.hostID < firstID || range.hostID + range.length > firstID + count) {
    const span = printRange({ hostID: firstID, length: count })
    throw new Error(`the range ${printRange(range)} lies outside the configured span ${span}`)
  }
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`not JSON: ${(error as SyntaxError).message}`, { cause: error })
  }
  if (!isObject(value)) throw new Error(`not a JSON object, but ${describe(value)}`)
  return value
}

function onlyMapping(record: Record<string, unknown>, list: string): Mapping {
  const mappings = record[list]
  if (mappings === undefined) throw new Error(`${list} is missing`)
  if (!Array.isArray(mappings)) throw new Error(`${list} is not a list, but ${describe(mappings)}`)
  if (mappings.length !== 1) throw new Error(`${list} has ${mappings.length} mappings, but must have one`)
  const mapping: unknown = mappings[0]
  if (!isObject(mapping)) throw new Error(`the mapping in ${list} is not an object, but ${describe(mapping)}`)
  return {
    hostId: uint32(mapping, list, 'hostId'),
    containerId: uint32(mapping, list, 'containerId'),
    length: uint32(mapping, list, 'length'),
  }
}

function uint32(mapping: Record<string, unknown>, list: string, key: keyof Mapping): number {
  const value = mapping[key]
  if (value === undefined) throw new Error(`${key} is missing in ${list}`)
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_UINT32) {
    throw new Error(
      `${key} in ${list} is ${describe(value)}, but must be a whole number from 0 to ${MAX_UINT32}`,
    )
  }
  return value
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isObject(value)) return 'an object'
  return typeof value === 'string' ? 'a string' : String(value)
}
