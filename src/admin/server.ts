import { createServer, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { listenPrivately } from '../sockets/private.js'
import {
  decodeRequest,
  encode,
  isMethod,
  MAX_REQUEST_BYTES,
  methods as methodNames,
  type PodRow,
  type Request,
  type Response,
  type Status,
} from './protocol.js'

/** What the daemon tells of itself. */
export interface AdminMethods {
  status(): Status
  list(): PodRow[]
}

export interface AdminServerOptions {
  readonly socketPath: string
  readonly methods: AdminMethods
}

/** RFC 6455, 7.4.1: the message's data is not what its type says. */
const INVALID_PAYLOAD = 1007

/** Answers admins on a unix socket that is root's alone: WebSocket messages in MessagePack, see protocol.ts. */
export class AdminServer {
  readonly #socketPath: string
  readonly #methods: AdminMethods
  readonly #http = createServer((_, response) => {
    response.writeHead(426, { connection: 'close', 'content-type': 'text/plain', upgrade: 'websocket' })
    response.end('This is the admin socket of nri-userns: use nri-userns status or nri-userns list.\n')
  })
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_REQUEST_BYTES,
    perMessageDeflate: false,
  })

  constructor({ socketPath, methods }: AdminServerOptions) {
    this.#socketPath = socketPath
    this.#methods = methods
    this.#http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#webSockets.handleUpgrade(request, socket, head, (client) => this.#serve(client))
    })
  }

  /** @throws Error with a sentence when the socket can't be had, because a live daemon has it for example */
  async start(): Promise<void> {
    try {
      await listenPrivately(this.#http, this.#socketPath)
    } catch (error) {
      throw new Error(`The admin socket can't be opened: ${(error as Error).message}`, { cause: error })
    }
  }

  /** Ends every connection and removes the socket. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()))
    for (const client of this.#webSockets.clients) client.terminate()
    this.#http.closeAllConnections()
    await closed
  }

  #serve(client: WebSocket): void {
    // A client that sends too much or vanishes is closed by ws; without a listener it would end the daemon.
    client.on('error', () => {})
    client.on('message', (bytes: Buffer) => {
      try {
        client.send(encode(this.#answer(decodeRequest(bytes))))
      } catch {
        client.close(INVALID_PAYLOAD, 'not a request that this version of nri-userns knows')
      }
    })
  }

  #answer({ id, method }: Request): Response {
    if (!isMethod(method)) {
      return { id, error: `there is no method ${JSON.stringify(method)}, only ${methodNames.join(' and ')}` }
    }
    try {
      return { id, result: this.#methods[method]() }
    } catch (error) {
      return { id, error: `${method} failed: ${(error as Error).message}` }
    }
  }
}
