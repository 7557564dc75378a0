import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import {
  Event,
  Plugin,
  type PodSandboxSchema,
  type RegisterPluginRequest,
  Runtime,
} from '../../src/nri/api_pb.js'
import { Mux, PLUGIN_SERVICE, RUNTIME_SERVICE } from '../../src/nri/mux.js'
import { TtrpcClient, TtrpcServer } from '../../src/nri/ttrpc.js'

export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

export type Pod = MessageInitShape<typeof PodSandboxSchema>
export type Generation = 'an RPC for each event' | 'StateChange'

/** The runtime's side of one plugin's connection. */
export class RuntimePeer {
  readonly socket: Duplex
  /** The end's reason. */
  readonly ended: Promise<Error>
  readonly registration: Promise<RegisterPluginRequest>
  readonly #client: TtrpcClient

  /** Register answers as given; the default takes every plugin. */
  constructor(socket: Duplex, register: () => Promise<object> = async () => ({})) {
    this.socket = socket
    const ended = deferred<Error>()
    const registration = deferred<RegisterPluginRequest>()
    this.ended = ended.promise
    this.registration = registration.promise
    const mux = new Mux(socket, (reason) => {
      this.#client.close(reason)
      ended.resolve(reason)
    })
    const answer = mux.open(RUNTIME_SERVICE, (bytes) => server.receive(bytes))
    const implementation = {
      registerPlugin: (request: RegisterPluginRequest) => {
        registration.resolve(request)
        return register()
      },
    }
    const server = new TtrpcServer(Runtime, implementation, answer)
    this.#client = new TtrpcClient(mux.open(PLUGIN_SERVICE, (bytes) => this.#client.receive(bytes)))
  }

  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    return this.#client.call(method, request, 2000)
  }

  /** What a runtime does with a plugin that comes: configure it and tell it the pods. */
  async admit(pods: Pod[] = []): Promise<RegisterPluginRequest> {
    const gone = this.ended.then((reason) => Promise.reject(reason))
    const registration = await Promise.race([this.registration, gone])
    await this.call(Plugin.method.configure, { runtimeName: 'containerd', runtimeVersion: 'v2.1.9' })
    await this.call(Plugin.method.synchronize, { pods })
    return registration
  }

  async event(generation: Generation, event: Event, pod: Pod): Promise<void> {
    if (generation === 'StateChange') await this.call(Plugin.method.stateChange, { event, pod })
    else if (event === Event.RUN_POD_SANDBOX) await this.call(Plugin.method.runPodSandbox, { pod })
    else if (event === Event.STOP_POD_SANDBOX) await this.call(Plugin.method.stopPodSandbox, { pod })
    else await this.call(Plugin.method.removePodSandbox, { pod })
  }
}

/** Listens on an NRI socket; takes plugins in the order in which they come. */
export class RuntimeListener {
  readonly path: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #waiting: ((socket: Socket) => void)[] = []
  readonly #arrived: Socket[] = []

  private constructor(path: string) {
    this.path = path
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      const waiting = this.#waiting.shift()
      if (waiting) waiting(socket)
      else this.#arrived.push(socket)
    })
  }

  static async listen(path: string): Promise<RuntimeListener> {
    const listener = new RuntimeListener(path)
    await new Promise<void>((resolve) => listener.#server.listen(path, resolve))
    return listener
  }

  socket(): Promise<Socket> {
    const socket = this.#arrived.shift()
    return socket ? Promise.resolve(socket) : new Promise((resolve) => this.#waiting.push(resolve))
  }

  async peer(register?: () => Promise<object>): Promise<RuntimePeer> {
    return new RuntimePeer(await this.socket(), register)
  }

  /** Cuts every connection, and leaves no socket file. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
    await rm(this.path, { force: true })
  }
}

/** A path for a socket, short enough for one, in a directory that goes with the test. */
export async function socketPath(t: { teardown(fn: () => Promise<void>): unknown }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nri-test-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return join(directory, 'nri.sock')
}

/** Both ends of a unix socket: the plugin's, and the runtime's. */
export async function socketPair(t: {
  teardown(fn: () => Promise<void>): unknown
}): Promise<[Socket, Socket]> {
  const listener = await RuntimeListener.listen(await socketPath(t))
  const plugin = connect(listener.path)
  t.teardown(() => {
    plugin.destroy()
    return listener.close()
  })
  return [plugin, await listener.socket()]
}
