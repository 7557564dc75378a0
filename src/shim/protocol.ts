import { isAbsolute } from 'node:path'

/** What hooks/nri-userns-runtime asks, see there for the wire format. */
export interface ShimRequest {
  readonly verb: 'create' | 'delete'
  readonly containerID: string
  /** Absolute; empty with delete. */
  readonly bundle: string
}

/** Bytes of a request's or an answer's body at most, as in hooks/nri-userns-runtime.c. */
const LIMIT = 16384
const VERSION = '1'
const HEADER = 4

/** run and restore, like create, make the processes of a container. */
const VERBS = new Map<string, ShimRequest['verb']>([
  ['create', 'create'],
  ['run', 'create'],
  ['restore', 'create'],
  ['delete', 'delete'],
])

/**
 * @param received all bytes of the connection so far
 * @returns undefined while the request is incomplete
 * @throws Error with a sentence for bytes that can't become a request
 */
export function decodeRequest(received: Buffer): ShimRequest | undefined {
  if (received.length < HEADER) return undefined
  const length = received.readUInt32BE(0)
  if (length > LIMIT) throw new Error(`a request of ${length} bytes is over the limit of ${LIMIT}`)
  if (received.length < HEADER + length) return undefined
  if (received.length > HEADER + length) throw new Error('bytes follow the request')
  const fields = received.toString('utf8', HEADER).split('\0')
  const [version, verb = '', containerID = '', bundle = '', end] = fields
  if (version !== VERSION)
    throw new Error(
      `the shim speaks version "${version}" of the protocol and this daemon ${VERSION}: install both anew`,
    )
  if (fields.length !== 5 || end !== '')
    throw new Error(`a request has ${fields.length - 1} fields in place of 4`)
  const known = VERBS.get(verb)
  if (known === undefined) throw new Error(`the shim asks for "${verb}", which this daemon doesn't know`)
  if (containerID === '') throw new Error('the request names no container')
  if (known === 'create' && !isAbsolute(bundle)) throw new Error(`the bundle "${bundle}" is no absolute path`)
  return { verb: known, containerID, bundle }
}

/** @param refusal the reason as a sentence, cut at the limit; undefined lets the container be made */
export function encodeAnswer(refusal: string | undefined): Buffer {
  const text = refusal === undefined ? 'y' : `n${refusal || 'the daemon gave no reason'}`
  const body = Buffer.from(text).subarray(0, LIMIT)
  const frame = Buffer.alloc(HEADER + body.length)
  frame.writeUInt32BE(body.length)
  body.copy(frame, HEADER)
  return frame
}
