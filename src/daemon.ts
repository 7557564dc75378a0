import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AdminServer } from './admin/server.js'
import type { Config } from './config/schema.js'
import { ContainerdLabels } from './containerd/labels.js'
import { readHostFiles, readKubeletPods } from './host/files.js'
import { KernelThread } from './kernel/thread.js'
import { Ledger } from './ledger/ledger.js'
import { NriConnection, type NriConnectionOptions } from './nri/connection.js'
import { type Preinstalled, preinstalled } from './nri/identity.js'
import { createLogger, type Logger } from './observe/log.js'
import { createContainer } from './pods/create.js'
import { sandboxRuns } from './pods/events.js'
import { passCni, serveCni } from './pods/network.js'
import type { Node } from './pods/node.js'
import { avoidOthers } from './pods/others.js'
import { containerDeleted, dropSandbox } from './pods/remove.js'
import { Report } from './pods/report.js'
import { synchronize } from './pods/synchronize.js'
import { ruleOnLabels } from './policy/rules.js'
import { spanOf } from './ranges/origin.js'
import { checkRoom, othersOf, userNamed } from './ranges/others.js'
import { LiveConfig } from './reload.js'
import { type ShimHandlers, ShimServer } from './shim/server.js'
import { version } from './version.js'

/**
 * Puts the rooms together and serves until SIGTERM or SIGINT. At SIGHUP the config is read again.
 * @param readAgain reads the config from where it was read
 * @throws Error with a sentence when it can't start: nothing has been changed on the node then
 */
export async function runDaemon(config: Config, readAgain: () => Promise<Config>): Promise<void> {
  const stopped = stopSignal()
  const log = createLogger(config.log)
  const live = new LiveConfig(config, readAgain, log)
  process.on('SIGHUP', () => void live.reload())
  // Sockets are root's alone by their own mode; a container's init, that is nobody here, walks through to its sysfs.
  await mkdir(config.runDirectory, { recursive: true, mode: 0o711 })
  const report = new Report(version, config.enabled)
  const admin = new AdminServer({ socketPath: config.admin.socket, methods: report })
  // First, as it is also the lock of this node: a second daemon ends here, before it has read the ledger.
  await admin.start()
  try {
    await serve(live, report, log, stopped)
  } finally {
    await admin.stop()
  }
  log.info('stopped')
}

async function serve(live: LiveConfig, report: Report, log: Logger, stopped: Promise<void>): Promise<void> {
  const config = live.current
  const onProblem = (error: Error) => log.warn('problem', { error })
  const plugin = preinstalled(process.env)
  const node = config.enabled ? await openNode(live, log, onProblem) : undefined
  if (node) report.cover(node.ledger)
  const shim = new ShimServer(config.shim.socket, node ? mapping(node, onProblem) : passing(onProblem))
  await shim.start()
  const nri = node && new NriConnection(nriOptions(config, plugin, node, report, onProblem))
  log.info('started', { version, enabled: config.enabled, ...node?.ledger.usage })
  nri?.start()

  await stopped
  nri?.stop()
  await shim.stop()
  await node?.ledger.flush()
}

async function openNode(live: LiveConfig, log: Logger, onProblem: (error: Error) => void): Promise<Node> {
  const config = live.current
  const { from, idsPerPod, podLimit, user, kubeletPods } = config.ranges
  const readOwners = async () => {
    const files = await readHostFiles('/etc')
    return { files, owners: othersOf(files, userNamed(user, files)) }
  }
  const { files, owners } = await readOwners()
  const span = spanOf(config.ranges, files)
  // Not those who come and go, pods of the kubelet or user namespaces: what started yesterday has to start today.
  checkRoom(span, podLimit, owners)
  const sysfsDirectory = join(config.runDirectory, 'sysfs')
  const usernsDirectory = join(config.runDirectory, 'userns')
  for (const directory of [sysfsDirectory, usernsDirectory])
    await mkdir(directory, { recursive: true, mode: 0o711 })
  const ledger = await Ledger.open({
    directory: config.stateDirectory,
    span,
    podLimit,
    onProblem,
  })
  const kernel = await KernelThread.start((error) => {
    log.error('kernel thread died', { error })
    // Nothing can be created without it; the service manager starts a daemon that has one.
    process.exit(1)
  })
  const containerd = new ContainerdLabels(config.containerd.socket)
  if (ruleOnLabels(config.policy) !== undefined) await containerd.prepare()
  const node: Node = {
    ledger,
    log,
    sysfsDirectory,
    usernsDirectory,
    network: config.network,
    idsPerPod,
    containerd,
    get policy() {
      return live.current.policy
    },
    announced: new Set(),
    perform: (works) => kernel.perform(works),
    probe: (volumes, range) => kernel.probe(volumes, range),
    unsupportedVolumes: config.volumes.unsupported,
    readOthers: async () => [
      ...(await readOwners()).owners,
      ...(await readKubeletPods(kubeletPods, onProblem)),
    ],
    // With `rest` it is what was asked for.
    othersLevel: from === 'rest' ? 'info' : 'warn',
  }
  await avoidOthers(node)
  return node
}

function mapping(node: Node, onProblem: (error: Error) => void): ShimHandlers {
  return {
    create: (request) => createContainer(node, request),
    cni: (request) => serveCni(node, request),
    deleted: (containerID) => void containerDeleted(node, containerID).catch(onProblem),
    onProblem,
  }
}

/** Switched off: every container is made as it would be without us. */
const passing = (onProblem: (error: Error) => void): ShimHandlers => ({
  create: async () => {},
  cni: async (request) => passCni(request),
  deleted: () => {},
  onProblem,
})

function nriOptions(
  config: Config,
  plugin: Preinstalled | undefined,
  node: Node,
  report: Report,
  onProblem: (error: Error) => void,
): NriConnectionOptions {
  return {
    ...(plugin ?? { socketPath: config.nri.socket, name: config.nri.name, index: config.nri.index }),
    handlers: {
      configured: ({ name, version }) => report.runtimeIs(`${name} ${version}`),
      synchronize: async (pods) => {
        report.runtimeLists(pods?.map(({ id }) => id) ?? [])
        await synchronize(node, pods)
      },
      runPodSandbox: (pod) => sandboxRuns(node, pod),
      stopPodSandbox: async ({ id }) => report.sandboxStopped(id),
      removePodSandbox: async ({ id }) => {
        report.sandboxRemoved(id)
        await dropSandbox(node, id)
      },
    },
    onState: (state, reason) => {
      report.connectionIs({ state, reason })
      const write = state === 'connected' ? node.log.info : node.log.warn
      write(`NRI ${state}`, { runtime: report.runtime, reason })
      // The runtime starts its pre-installed plugins anew, on a new socket, when it comes back.
      if (plugin && state === 'disconnected') process.kill(process.pid, 'SIGTERM')
    },
    onProblem,
  }
}

const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
