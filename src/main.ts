import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AdminServer } from './admin/server.js'
import type { Config } from './config/schema.js'
import { KernelThread } from './kernel/thread.js'
import { Ledger } from './ledger/ledger.js'
import { NriConnection, type NriConnectionOptions } from './nri/connection.js'
import { preinstalled } from './nri/identity.js'
import { createLogger, type Logger } from './observe/log.js'
import { createContainer } from './pods/create.js'
import { sandboxRuns } from './pods/events.js'
import type { Node } from './pods/node.js'
import { containerDeleted, dropSandbox } from './pods/remove.js'
import { Report } from './pods/report.js'
import { synchronize } from './pods/synchronize.js'
import { type ShimHandlers, ShimServer } from './shim/server.js'

/** Runs until it is told to stop by SIGTERM or SIGINT. @throws Error with a sentence when it can't start */
export async function runDaemon(config: Config): Promise<void> {
  const log = createLogger(config.log)
  const onProblem = (error: Error) => log.warn('problem', { error })
  // Sockets are root's alone by their own mode; a runtime's init walks through to the mounts.
  await mkdir(config.runDirectory, { recursive: true, mode: 0o711 })
  const report = new Report(config.ranges, config.enabled)
  const node = config.enabled ? await openNode(config, log, onProblem) : undefined
  if (node) report.ledger = node.ledger

  const admin = new AdminServer({ socketPath: config.admin.socket, methods: report })
  await admin.start()
  const shim = new ShimServer(config.shim.socket, node ? mapping(node, onProblem) : passing(onProblem))
  await shim.start()
  const nri = node && new NriConnection(nriOptions(config, node, report, onProblem))
  nri?.start()
  log.info('started', { version: report.version, enabled: config.enabled, ...node?.ledger.usage })

  await stopSignal()
  nri?.stop()
  await Promise.all([shim.stop(), admin.stop()])
  await node?.ledger.flush()
  log.info('stopped')
  process.exit(0)
}

async function openNode(config: Config, log: Logger, onProblem: (error: Error) => void): Promise<Node> {
  const { idsPerPod, podLimit } = config.ranges
  const sysfsDirectory = join(config.runDirectory, 'sysfs')
  await mkdir(sysfsDirectory, { recursive: true, mode: 0o711 })
  const ledger = await Ledger.open({
    directory: config.stateDirectory,
    span: config.ranges,
    podLimit,
    onProblem,
  })
  const kernel = await KernelThread.start((error) => {
    log.error('kernel thread died', { error })
    // Nothing can be created without it; the service manager starts a daemon that has one.
    process.exit(1)
  })
  return { ledger, log, sysfsDirectory, idsPerPod, perform: (works) => kernel.perform(works) }
}

function mapping(node: Node, onProblem: (error: Error) => void): ShimHandlers {
  return {
    create: (request) => createContainer(node, request),
    deleted: (containerID) => void containerDeleted(node, containerID).catch(onProblem),
    onProblem,
  }
}

/** Switched off: every container is made as it would be without us. */
const passing = (onProblem: (error: Error) => void): ShimHandlers => ({
  create: async () => {},
  deleted: () => {},
  onProblem,
})

function nriOptions(
  config: Config,
  node: Node,
  report: Report,
  onProblem: (error: Error) => void,
): NriConnectionOptions {
  const started = preinstalled(process.env)
  return {
    name: started?.name ?? config.nri.name,
    index: started?.index ?? config.nri.index,
    ...(started ? { fd: started.fd } : { socketPath: config.nri.socket }),
    handlers: {
      configured: ({ name, version }) => {
        report.runtime = `${name} ${version}`
      },
      synchronize: (pods) => synchronize(node, pods),
      runPodSandbox: (pod) => sandboxRuns(node, pod),
      stopPodSandbox: async () => {},
      removePodSandbox: ({ id }) => dropSandbox(node, id),
    },
    onState: (state, reason) => {
      report.connection = { state, reason }
      node.log.info(`NRI ${state}`, { runtime: report.runtime, reason })
      // The runtime starts its pre-installed plugins anew, on a new socket, when it comes back.
      if (started && state === 'disconnected') process.kill(process.pid, 'SIGTERM')
    },
    onProblem,
  }
}

const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
