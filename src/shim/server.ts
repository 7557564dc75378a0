import { createServer, type Server, type Socket } from 'node:net'
import { listenPrivately } from '../sockets/private.js'
import {
  type CniRequest,
  type ContainerRequest,
  decodeRequest,
  encodeNo,
  encodeYes,
  type ShimRequest,
} from './protocol.js'

export interface ShimHandlers {
  /** Resolves when the container may be made. Rejects with the reason as a sentence, which its pod's event will show. */
  create(request: ContainerRequest): Promise<void>
  /** The runtime's delete of this container is over, whether or not it succeeded. */
  deleted(containerID: string): void
  /** Resolves with the plugin's result, JSON. Rejects with the reason as a sentence. */
  cni(request: CniRequest): Promise<string>
  /** A connection that broke or spoke nonsense. */
  onProblem(error: Error): void
}

/** A shim sends its request at once; one that doesn't holds a connection for this long, in ms. */
const REQUEST_TIMEOUT = 5000

/** Answers hooks/nri-userns-runtime: one request a connection. */
export class ShimServer {
  readonly #server: Server
  readonly #socketPath: string
  readonly #handlers: ShimHandlers

  constructor(socketPath: string, handlers: ShimHandlers) {
    this.#socketPath = socketPath
    this.#handlers = handlers
    // The end of a connection is a message of its own with delete, and until then the other side may not be closed.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket))
  }

  /** @throws Error with a sentence when another daemon listens there */
  start(): Promise<void> {
    return listenPrivately(this.#server, this.#socketPath)
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(socket: Socket): void {
    const chunks: Buffer[] = []
    let request: ShimRequest | undefined
    socket.setTimeout(REQUEST_TIMEOUT, () => socket.destroy())
    socket.on('error', (error) => this.#handlers.onProblem(error))
    socket.on('data', (chunk) => {
      if (request) return
      chunks.push(chunk)
      try {
        request = decodeRequest(Buffer.concat(chunks))
      } catch (error) {
        this.#handlers.onProblem(error as Error)
        socket.end(encodeNo((error as Error).message))
        return
      }
      if (!request) return
      socket.setTimeout(0)
      if (request.verb !== 'delete') void this.#answer(request, socket)
    })
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      if (request?.verb === 'delete') this.#handlers.deleted(request.containerID)
    })
  }

  async #answer(request: ShimRequest, socket: Socket): Promise<void> {
    const { create, cni } = this.#handlers
    const result = request.verb === 'cni' ? cni(request) : create(request as ContainerRequest)
    const answer = await Promise.resolve(result).then(
      (text) => encodeYes(text ?? ''),
      (error: Error) => encodeNo(error.message),
    )
    socket.end(answer)
  }
}
