import type { Duplex } from 'node:stream'
import { Event, Plugin, type PodSandbox, Runtime } from './api_pb.js'
import { Mux, PLUGIN_SERVICE, RUNTIME_SERVICE } from './mux.js'
import { type Implementation, TtrpcClient, TtrpcServer } from './ttrpc.js'

export interface RuntimeInfo {
  readonly name: string
  readonly version: string
  /** Empty when the runtime is too old to tell. */
  readonly nriVersion: string
}

export interface PodSandboxInfo {
  readonly id: string
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly runtimeHandler: string
  /** The sandbox's init process on the host; 0 when there is none. */
  readonly pid: number
  readonly labels: Record<string, string>
  readonly annotations: Record<string, string>
}

/** The runtime waits for each of these, for 2 s by default, and then drops the plugin. */
export interface NriHandlers {
  configured(runtime: RuntimeInfo): void
  /** @param pods undefined when the runtime does not list them to a plugin that it has started itself */
  synchronize(pods: PodSandboxInfo[] | undefined): Promise<void>
  runPodSandbox(pod: PodSandboxInfo): Promise<void>
  stopPodSandbox(pod: PodSandboxInfo): Promise<void>
  removePodSandbox(pod: PodSandboxInfo): Promise<void>
}

export interface PluginOptions {
  /** Connected to the runtime; the plugin's own from now on. */
  readonly socket: Duplex
  readonly name: string
  readonly index: string
  readonly handlers: NriHandlers
  /** A handler failed, or the runtime sent an event that can't be used. */
  onProblem(error: Error): void
  /** Once the runtime's list of pods was handled, or the handler failed on it; not after the end. */
  onSynchronized(failure?: Error): void
  /** Once, when the connection has ended for whatever reason. */
  onEnd(reason: Error): void
}

// The runtime gives a plugin as long, by default, and the others that connect wait in the meantime.
const REGISTRATION_TIMEOUT = 5000

const subscription = [Event.RUN_POD_SANDBOX, Event.STOP_POD_SANDBOX, Event.REMOVE_POD_SANDBOX]

type PodHandler = 'runPodSandbox' | 'stopPodSandbox' | 'removePodSandbox'

/** The protocol of one connection, as the plugin plays it. */
export class NriPlugin {
  readonly #options: PluginOptions
  readonly #mux: Mux
  readonly #runtime: TtrpcClient
  #gathered: PodSandboxInfo[] = []
  #listed = false
  #ended = false

  constructor(options: PluginOptions) {
    this.#options = options
    this.#mux = new Mux(options.socket, (reason) => {
      this.#ended = true
      this.#runtime.close(reason)
      options.onEnd(reason)
    })
    // The runtime may ask for Configure before its answer to RegisterPlugin is on the way: serve first.
    const answer = this.#mux.open(PLUGIN_SERVICE, (bytes) => server.receive(bytes))
    const server = new TtrpcServer(Plugin, this.#service(), answer)
    this.#runtime = new TtrpcClient(this.#mux.open(RUNTIME_SERVICE, (bytes) => this.#runtime.receive(bytes)))
  }

  /** Registers with the runtime; a failure ends the connection, with the reason given to onEnd. */
  async register(): Promise<void> {
    const { name, index } = this.#options
    const request = { pluginName: name, pluginIdx: index }
    try {
      await this.#runtime.call(Runtime.method.registerPlugin, request, REGISTRATION_TIMEOUT)
    } catch (error) {
      this.close(new Error(`Registering as ${index}-${name} failed: ${(error as Error).message}`))
    }
  }

  /** To be called when the runtime has had its time to list the pods; nothing when it did. */
  async goOnWithoutList(): Promise<void> {
    if (!this.#listed && !this.#ended) await this.#synchronize(undefined)
  }

  close(reason: Error): void {
    this.#mux.close(reason)
  }

  #service(): Implementation<typeof Plugin> {
    const { handlers } = this.#options
    return {
      configure: async ({ runtimeName, runtimeVersion, NRIVersion }) => {
        await this.#report('Configure', async () =>
          handlers.configured({ name: runtimeName, version: runtimeVersion, nriVersion: NRIVersion }),
        )
        return { events: eventMask(subscription) }
      },
      synchronize: async ({ pods, more }) => {
        this.#listed = true
        this.#gathered.push(...pods.map(podSandboxInfo))
        if (!more) await this.#synchronize(this.#gathered.splice(0))
        return { more }
      },
      shutdown: async () => ({}),
      runPodSandbox: ({ pod }) => this.#podEvent('runPodSandbox', pod),
      stopPodSandbox: ({ pod }) => this.#podEvent('stopPodSandbox', pod),
      removePodSandbox: ({ pod }) => this.#podEvent('removePodSandbox', pod),
      stateChange: async ({ event, pod }) => {
        if (event === Event.RUN_POD_SANDBOX) return this.#podEvent('runPodSandbox', pod)
        if (event === Event.STOP_POD_SANDBOX) return this.#podEvent('stopPodSandbox', pod)
        if (event === Event.REMOVE_POD_SANDBOX) return this.#podEvent('removePodSandbox', pod)
        return {}
      },
    }
  }

  // An error as the answer would make the runtime drop the plugin, and a pre-installed one isn't started again.
  async #synchronize(pods: PodSandboxInfo[] | undefined): Promise<void> {
    const failure = await this.#report('Synchronize', () => this.#options.handlers.synchronize(pods))
    if (!this.#ended) this.#options.onSynchronized(failure)
  }

  // An error as the answer to RunPodSandbox would fail the pod. Whether a pod runs at all was decided at the
  // OCI runtime's `create`; here it is only noted.
  async #podEvent(handler: PodHandler, pod: PodSandbox | undefined): Promise<Record<string, never>> {
    await this.#report(describe(handler, pod), async () => {
      if (!pod?.id) throw new Error('The runtime did not say which pod it is about.')
      await this.#options.handlers[handler](podSandboxInfo(pod))
    })
    return {}
  }

  async #report(event: string, handle: () => Promise<void>): Promise<Error | undefined> {
    try {
      await handle()
      return undefined
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      const problem = new Error(`The NRI event ${event} was not handled: ${reason}`, { cause })
      this.#options.onProblem(problem)
      return problem
    }
  }
}

/** The form in which Configure is answered. */
export function eventMask(events: readonly Event[]): number {
  return events.reduce((mask, event) => mask | (1 << (event - 1)), 0)
}

function describe(handler: PodHandler, pod: PodSandbox | undefined): string {
  const event = `${handler[0]!.toUpperCase()}${handler.slice(1)}`
  return pod ? `${event} of pod ${pod.namespace}/${pod.name} (uid ${pod.uid}, sandbox ${pod.id})` : event
}

function podSandboxInfo(pod: PodSandbox): PodSandboxInfo {
  const { id, uid, name, namespace, runtimeHandler, pid, labels, annotations } = pod
  return { id, uid, name, namespace, runtimeHandler, pid, labels, annotations }
}
