import { isAbsolute } from 'node:path'
import type { CniInput } from '../cni/call.js'

/** What hooks/ asks when it is called as an OCI runtime; see hooks/main.c for the wire format. */
export interface ContainerRequest {
  readonly verb: 'create' | 'delete'
  readonly containerID: string
  /** Absolute; empty with delete. */
  readonly bundle: string
}

/** What hooks/ asks when it is called as a CNI plugin: its environment and its stdin, as they are. */
export interface CniRequest extends CniInput {
  readonly verb: 'cni'
}

export type ShimRequest = ContainerRequest | CniRequest

/** Bytes of a request's or an answer's body at most, as in hooks/hook.h. */
export const LIMIT = 160 * 1024
const VERSION = '1'
const HEADER = 4

/** run and restore, like create, make the processes of a container. */
const CONTAINER_VERBS = new Map<string, ContainerRequest['verb']>([
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
  const [version, verb = '', ...fields] = received.toString('utf8', HEADER).split('\0')
  if (version !== VERSION)
    throw new Error(
      `the shim speaks version "${version}" of the protocol and this daemon ${VERSION}: install both anew`,
    )
  if (fields.pop() !== '') throw new Error('the last field of the request has no end')
  return verb === 'cni' ? cniRequest(fields) : containerRequest(verb, fields)
}

function containerRequest(name: string, fields: string[]): ContainerRequest {
  const verb = CONTAINER_VERBS.get(name)
  if (verb === undefined) throw new Error(`the shim asks for "${name}", which this daemon doesn't know`)
  checkFields(name, fields, 2)
  const [containerID, bundle] = fields as [string, string]
  if (containerID === '') throw new Error('the request names no container')
  if (verb === 'create' && !isAbsolute(bundle)) throw new Error(`the bundle "${bundle}" is no absolute path`)
  return { verb, containerID, bundle }
}

function cniRequest(fields: string[]): CniRequest {
  checkFields('cni', fields, 6)
  const [command, containerID, netns, ifName, args, config] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  return { verb: 'cni', command, containerID, netns, ifName, args, config }
}

function checkFields(verb: string, fields: readonly string[], count: number): void {
  if (fields.length !== count)
    throw new Error(`a ${verb} request has ${fields.length} fields in place of ${count}`)
}

/** @param result what the daemon has to say beside yes: a CNI result */
export const encodeYes = (result = ''): Buffer => frame(`y${result}`)

/** @param refusal the reason as a sentence, cut at the limit */
export const encodeNo = (refusal: string): Buffer => frame(`n${refusal || 'the daemon gave no reason'}`)

function frame(text: string): Buffer {
  const body = Buffer.from(text).subarray(0, LIMIT)
  const bytes = Buffer.alloc(HEADER + body.length)
  bytes.writeUInt32BE(body.length)
  body.copy(bytes, HEADER)
  return bytes
}
