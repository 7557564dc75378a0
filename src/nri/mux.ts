import type { Duplex } from 'node:stream'
import { FrameDecoder, type FrameFormat } from './decoder.js'
import { ttrpcFormat } from './frame.js'

/** The logical connection on which the runtime calls the plugin. */
export const PLUGIN_SERVICE = 1
/** The logical connection on which the plugin calls the runtime. */
export const RUNTIME_SERVICE = 2

// One write of a ttrpc frame's header and body is the longest that NRI's own multiplexer puts into a frame.
export const muxFormat: FrameFormat = {
  protocol: 'multiplexer',
  headerLength: 8,
  maxBodyLength: ttrpcFormat.headerLength + ttrpcFormat.maxBodyLength,
  bodyLength: (header) => header.readUInt32BE(4),
}

// The Go side reads through a buffer of this size and fails (ENOMEM) on a frame that doesn't fit into it.
const MAX_SENT_BODY = 4096

/** The frames that carry these bytes on a logical connection. */
export function muxFrames(connection: number, bytes: Uint8Array): Buffer {
  const parts: Uint8Array[] = []
  for (let start = 0; start < bytes.length; start += MAX_SENT_BODY) {
    const body = bytes.subarray(start, start + MAX_SENT_BODY)
    const header = Buffer.allocUnsafe(muxFormat.headerLength)
    header.writeUInt32BE(connection, 0)
    header.writeUInt32BE(body.length, 4)
    parts.push(header, body)
  }
  return Buffer.concat(parts)
}

/** Logical connections over one socket, which it owns from now on. */
export class Mux {
  readonly #socket: Duplex
  readonly #onEnd: (reason: Error) => void
  readonly #receivers = new Map<number, (bytes: Buffer) => void>()
  #ended = false

  /** onEnd is called once: when the peer is gone, sends what can't be understood, or at close(). */
  constructor(socket: Duplex, onEnd: (reason: Error) => void) {
    this.#socket = socket
    this.#onEnd = onEnd
    // A frame for a connection that nobody has opened is dropped, as NRI's own multiplexer does.
    const decoder = new FrameDecoder(muxFormat, (header, body) =>
      this.#receivers.get(header.readUInt32BE(0))?.(body),
    )
    socket.on('data', (bytes: Buffer) => {
      if (this.#ended) return
      try {
        decoder.push(bytes)
      } catch (error) {
        this.close(error as Error)
      }
    })
    socket.on('error', (cause) =>
      this.close(new Error(`The connection failed: ${cause.message}.`, { cause })),
    )
    socket.on('close', () =>
      this.close(
        new Error(
          decoder.midFrame
            ? 'The peer closed the connection in the middle of a message.'
            : 'The peer closed the connection.',
        ),
      ),
    )
  }

  /** Opens a logical connection; what it returns sends bytes on it, and does nothing once the mux has ended. */
  open(connection: number, receive: (bytes: Buffer) => void): (bytes: Uint8Array) => void {
    this.#receivers.set(connection, receive)
    return (bytes) => {
      this.#socket.write(muxFrames(connection, bytes))
    }
  }

  close(reason: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#socket.destroy()
    this.#onEnd(reason)
  }
}
