import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { callAdmin } from '../../src/admin/client.js'
import type { PodRow, Status } from '../../src/admin/protocol.js'
import type { Runtime } from './config.js'
import { type Containerd, startContainerd } from './containerd.js'
import { Daemon } from './daemon.js'
import { type ContainerdVersion, checkout, type Progress } from './packages.js'

/** The runtime handler whose pods get ranges. */
export const HANDLER = 'userns'

export interface NodeOptions {
  readonly version: ContainerdVersion
  readonly progress?: Progress
  /** More keys of the daemon's config, over those that keep it in the bed. */
  readonly config?: Readonly<Record<string, unknown>>
  /** More keys of its section ranges. */
  readonly ranges?: Readonly<Record<string, number>>
  /** owned: the handler's CNI chain begins with our plugin. */
  readonly network?: 'owned'
  /** More of the handler's own settings, as pod_annotations. */
  readonly handlerSettings?: Runtime['settings']
  /** Whether containerd starts the daemon, as a plugin that is in its plugin directory. */
  readonly preinstalled?: boolean
}

/** A containerd with nri-userns installed: what a node admin has, in a directory of the bed's. */
export interface Node {
  readonly containerd: Containerd
  readonly daemon: Daemon
  readonly stateDirectory: string
  readonly runDirectory: string
  readonly configPath: string
  /** Starts the daemon and waits until it has synchronized with the runtime. */
  startDaemon(): Promise<void>
  status(): Promise<Status>
  list(): Promise<PodRow[]>
  /** The events that the daemon has logged, oldest first. */
  events(): Promise<LogEvent[]>
  /** Makes the CNI plugin after ours fail, and mends it. */
  breakCni(): Promise<void>
  mendCni(): Promise<void>
  stop(): Promise<void>
}

export interface LogEvent {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

const READY_MS = 20_000
const CNI_PLUGIN = 'nri-userns-cni'
/** What a pod asks for is known when its network is made. */
const ANNOTATIONS = { 'io.kubernetes.cri.pod-annotations': true }
/** A CNI plugin that stands after ours and fails while a test wants it to. */
const SWITCH = 'fails-when-told'
const switchScript = (broken: string) => `#!/bin/sh
if [ -e ${broken} ] && [ "$CNI_COMMAND" = ADD ]; then
  echo '{"cniVersion":"1.0.0","code":100,"msg":"the network is broken"}'
  exit 1
fi
echo '{"cniVersion":"1.0.0"}'
`

/** Each bed has a span of its own, as the ids of several are used on one machine. */
const FIRST_ID = 2000224256
const BLOCKS = 128

export async function startNode(options: NodeOptions): Promise<Node> {
  const containerd = await startContainerd({
    version: options.version,
    ...(options.progress && { progress: options.progress }),
    runtimes: ({ directory }) => ({
      [HANDLER]: {
        binary: join(directory, 'nri-userns-runtime'),
        ...(options.network && {
          cniChain: [{ type: CNI_PLUGIN, capabilities: ANNOTATIONS }, { type: SWITCH }],
        }),
        ...(options.handlerSettings && { settings: options.handlerSettings }),
      },
    }),
    cniPlugins: ({ directory }) => ({
      [CNI_PLUGIN]: join(directory, CNI_PLUGIN),
      [SWITCH]: join(directory, SWITCH),
    }),
    beforeStart: (containerd) => install(containerd, options),
  })
  const node = describe(containerd)
  try {
    await (options.preinstalled ? untilConnected(node) : node.startDaemon())
    return node
  } catch (error) {
    await node.stop()
    throw error
  }
}

async function install(containerd: Containerd, options: NodeOptions) {
  const { directory, number, nriSocket, pluginPath, runc } = containerd
  const at = (name: string) => join(directory, name)
  const config = {
    stateDirectory: at('lib'),
    runDirectory: at('run'),
    ranges: {
      firstID: FIRST_ID + number * BLOCKS * 65536,
      count: BLOCKS * 65536,
      podLimit: BLOCKS,
      ...options.ranges,
    },
    nri: { socket: nriSocket },
    containerd: { socket: containerd.socket },
    log: { format: 'json' },
    ...(options.network && { network: options.network }),
    ...options.config,
  }
  await writeFile(at('config.yaml'), stringify(config))
  await copyFile(join(checkout(), 'hooks/build/nri-userns-runtime'), at('nri-userns-runtime'))
  await writeFile(at('nri-userns-runtime.conf'), `runtime = ${runc}\nsocket = ${at('run/shim.sock')}\n`)
  await symlink('nri-userns-runtime', at(CNI_PLUGIN))
  await writeFile(at(SWITCH), switchScript(at(`${SWITCH}.broken`)), { mode: 0o755 })
  if (!options.preinstalled) return
  // As the runtime gives a plugin neither arguments nor a PATH, an admin's is a script like this one.
  const command = [...daemonCommand(directory), `>>${at('daemon.log')} 2>&1`].join(' ')
  await mkdir(pluginPath, { recursive: true })
  await writeFile(join(pluginPath, '10-userns'), `#!/bin/sh\nexec ${command}\n`, { mode: 0o755 })
}

const daemonCommand = (directory: string): [string, ...string[]] => [
  process.execPath,
  join(checkout(), 'dist/cli/index.js'),
  'daemon',
  '--config',
  join(directory, 'config.yaml'),
]

function describe(containerd: Containerd): Node {
  const at = (name: string) => join(containerd.directory, name)
  const daemon = new Daemon(daemonCommand(containerd.directory), {}, at('daemon.log'))
  const adminSocket = at('run/admin.sock')
  const node: Node = {
    containerd,
    daemon,
    stateDirectory: at('lib'),
    runDirectory: at('run'),
    configPath: at('config.yaml'),
    async startDaemon() {
      await daemon.start()
      await untilConnected(node)
    },
    status: () => callAdmin(adminSocket, 'status'),
    list: () => callAdmin(adminSocket, 'list'),
    async events() {
      const text = await readFile(daemon.logPath, 'utf8').catch(() => '')
      const lines = text.split('\n').filter((line) => line.startsWith('{'))
      return lines.map((line) => JSON.parse(line) as LogEvent)
    },
    breakCni: () => writeFile(at(`${SWITCH}.broken`), ''),
    mendCni: () => rm(at(`${SWITCH}.broken`)),
    async stop() {
      await containerd.removePods()
      await daemon.end('SIGTERM')
      await containerd.stop()
    },
  }
  return node
}

export async function untilConnected(node: Node): Promise<void> {
  for (const deadline = Date.now() + READY_MS; ; await sleep(20)) {
    const status = await node.status().catch(() => undefined)
    if (status && (status.nri.state === 'connected' || !status.enabled)) return
    if (Date.now() < deadline) continue
    throw new Error(
      `the daemon is not ready:\n${await readFile(node.daemon.logPath, 'utf8').catch(() => '')}`,
    )
  }
}
