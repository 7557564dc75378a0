import { connect, Socket } from 'node:net'
import { checkIdentity } from './identity.js'
import { type NriHandlers, NriPlugin } from './plugin.js'

export type ConnectionState = 'connected' | 'disconnected'

/** Where the runtime listens; or the connected socket that it left to a pre-installed plugin. */
export type Endpoint = { readonly socketPath: string } | { readonly fd: number }

export type NriConnectionOptions = Endpoint & {
  readonly name: string
  readonly index: string
  readonly handlers: NriHandlers
  /**
   * At every change: 'connected' once the runtime's pods are synchronized, 'disconnected' with the reason as a
   * sentence. By path the connection is tried again for ever; by fd, 'disconnected' is the end of it.
   */
  onState(state: ConnectionState, reason?: string): void
  /** A handler failed, or the runtime sent an event that can't be used. */
  onProblem(error: Error): void
}

/**
 * How long a pre-installed plugin waits for the runtime's list. containerd 1.7 sends it to those alone that connect by
 * path (startPlugins in nri v0.6, pkg/adaptation/adaptation.go).
 */
const LIST_WAIT_MS = 2000

/** Keeps a plugin connected to the runtime. */
export class NriConnection {
  readonly #options: NriConnectionOptions
  #state: ConnectionState | undefined
  #plugin: NriPlugin | undefined
  #retry: NodeJS.Timeout | undefined
  #listing: NodeJS.Timeout | undefined
  #failures = 0
  #stopped = false

  /** @throws Error when the runtime would not take the name or the index. */
  constructor(options: NriConnectionOptions) {
    checkIdentity(options.name, options.index)
    this.#options = options
  }

  /** Connects, and again whenever the connection is lost. To be called once. */
  start(): void {
    this.#connect()
  }

  /** Ends the connection for good; no state is reported any more. Handlers that are under way are not cut short. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#retry)
    clearTimeout(this.#listing)
    this.#plugin?.close(new Error('The plugin was stopped.'))
  }

  #connect(): void {
    const { name, index, handlers } = this.#options
    let socket: Socket
    try {
      socket = openSocket(this.#options)
    } catch (error) {
      this.#disconnected(error as Error)
      return
    }
    this.#plugin = new NriPlugin({
      socket,
      name,
      index,
      handlers,
      onProblem: (error) => this.#options.onProblem(error),
      onSynchronized: (failure) => this.#synchronized(failure),
      onEnd: (reason) => this.#disconnected(reason),
    })
    void this.#register(this.#plugin)
  }

  async #register(plugin: NriPlugin): Promise<void> {
    await plugin.register()
    if ('socketPath' in this.#options) return
    this.#listing = setTimeout(() => void plugin.goOnWithoutList(), LIST_WAIT_MS)
  }

  #synchronized(failure: Error | undefined): void {
    // The next connection synchronizes anew. A pre-installed plugin has only this one: it goes on with what
    // it knows, rather than being without events until the runtime's next restart.
    if (failure && 'socketPath' in this.#options) {
      this.#plugin?.close(failure)
      return
    }
    this.#failures = 0
    this.#enter('connected')
  }

  #disconnected(reason: Error): void {
    if (this.#stopped) return
    if ('socketPath' in this.#options) {
      this.#retry = setTimeout(() => this.#connect(), backoff(this.#failures, Math.random()))
      this.#failures += 1
      this.#enter('disconnected', explain(reason, this.#options.socketPath))
    } else {
      this.#enter('disconnected', reason.message)
    }
  }

  #enter(state: ConnectionState, reason?: string): void {
    if (state === this.#state) return
    this.#state = state
    this.#options.onState(state, reason)
  }
}

/** How long to wait after so many failures, in ms from 100 to 10000; random, from 0 to 1, spreads it. */
export function backoff(failures: number, random: number): number {
  return Math.min(100 * 2 ** failures, 5000) * (1 + random)
}

function openSocket(endpoint: Endpoint): Socket {
  if ('socketPath' in endpoint) return connect(endpoint.socketPath)
  try {
    return new Socket({ fd: endpoint.fd, readable: true, writable: true })
  } catch (error) {
    throw new Error(
      `File descriptor ${endpoint.fd} is not the runtime's socket: ${(error as Error).message}.`,
    )
  }
}

function explain(reason: Error, socketPath: string): string {
  const { code } = (reason.cause ?? {}) as NodeJS.ErrnoException
  if (code === 'ENOENT') {
    return `There is no NRI socket at ${socketPath}: the runtime is not running, or NRI is not enabled in its configuration.`
  }
  if (code === 'ECONNREFUSED') {
    return `Nothing listens on the NRI socket ${socketPath}: the runtime is not running.`
  }
  if (code === 'EACCES') return `The NRI socket ${socketPath} may only be used by root.`
  return reason.message
}
