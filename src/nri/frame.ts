import type { FrameFormat } from './decoder.js'

export const ttrpcFormat: FrameFormat = {
  protocol: 'ttrpc',
  headerLength: 10,
  maxBodyLength: 4 << 20,
  bodyLength: (header) => header.readUInt32BE(0),
}

export const FrameType = { request: 1, response: 2, data: 3 } as const

/** The frame's header, as ttrpc's PROTOCOL.md has it. Flags other than 0 belong to streaming. */
export interface FrameHeader {
  readonly streamID: number
  readonly type: number
  readonly flags: number
}

export function parseHeader(header: Buffer): FrameHeader {
  return { streamID: header.readUInt32BE(4), type: header[8]!, flags: header[9]! }
}

/** @throws Error when the body is longer than ttrpc allows. */
export function ttrpcFrame({ streamID, type, flags }: FrameHeader, body: Uint8Array): Buffer {
  if (body.length > ttrpcFormat.maxBodyLength) {
    throw new Error(
      `A message of ${body.length} bytes is longer than the ${ttrpcFormat.maxBodyLength} of ttrpc.`,
    )
  }
  const header = Buffer.allocUnsafe(ttrpcFormat.headerLength)
  header.writeUInt32BE(body.length, 0)
  header.writeUInt32BE(streamID, 4)
  header[8] = type
  header[9] = flags
  return Buffer.concat([header, body])
}
