import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, rmdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { release } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { callAdmin } from '../admin/client.js'
import type { Config } from '../config/schema.js'
import { KernelThread } from '../kernel/thread.js'
import type { Probes, RuntimeProbe, SocketProbe } from './findings.js'

const execute = promisify(execFile)

/** Looks at the node that this runs on, as root. It changes nothing that stays. */
export async function probeNode(config: Config, wrapper: string): Promise<Probes> {
  const [overlay, runtime, nri, daemon, maxUserNamespaces] = await Promise.all([
    probeOverlay(config.stateDirectory),
    probeRuntime(wrapper),
    probeSocket(config.nri.socket),
    probeDaemon(config.admin.socket),
    readFile('/proc/sys/user/max_user_namespaces', 'utf8').then(Number, () => 0),
  ])
  return { kernel: release(), overlay, runtime, nri, daemon, maxUserNamespaces }
}

/** Does to an overlay of its own what is done to every container's. */
async function probeOverlay(stateDirectory: string): Promise<true | string> {
  let kernel: KernelThread | undefined
  let directory: string | undefined
  let isNew = false
  try {
    isNew = (await mkdir(stateDirectory, { recursive: true })) !== undefined
    directory = await mkdtemp(join(stateDirectory, 'doctor-'))
    const rootfs = join(directory, 'rootfs')
    for (const name of ['lower', 'upper/fs', 'upper/work', 'rootfs'])
      await mkdir(join(directory, name), { recursive: true })
    await chmod(directory, 0o755)
    const options = `lowerdir=${directory}/lower,upperdir=${directory}/upper/fs,workdir=${directory}/upper/work`
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, rootfs], { stdio: 'pipe' })
    try {
      kernel = await KernelThread.start(() => {})
      await kernel.perform([{ kind: 'mapRootfs', rootfs, range: { hostID: 65536, length: 65536 } }])
    } finally {
      execFileSync('umount', ['-l', rootfs], { stdio: 'pipe' })
    }
    return true
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1)!
  } finally {
    await kernel?.stop()
    if (directory) await rm(directory, { recursive: true, force: true })
    // Unless somebody has come to use it meanwhile.
    if (isNew) await rmdir(stateDirectory).catch(() => {})
  }
}

async function probeRuntime(wrapper: string): Promise<RuntimeProbe> {
  const settings = `${wrapper}.conf`
  const text = await readFile(settings, 'utf8').catch(() => undefined)
  const path = text && (/^\s*runtime\s*=\s*(\S.*?)\s*$/m.exec(text)?.[1] ?? '/usr/bin/runc')
  if (!path) return { settings, path: undefined, version: undefined, features: undefined }
  const version = await execute(path, ['--version']).then(
    ({ stdout }) => stdout.split('\n')[0],
    () => undefined,
  )
  const features = await execute(path, ['features']).then(
    ({ stdout }) => JSON.parse(stdout) as unknown,
    () => undefined,
  )
  return { settings, path, version, features }
}

async function probeSocket(path: string): Promise<SocketProbe> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return { path, state: 'listening' }
  } catch (error) {
    return { path, state: (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'refused' }
  } finally {
    socket.destroy()
  }
}

async function probeDaemon(socketPath: string): Promise<Probes['daemon']> {
  try {
    const { nri, ranges } = await callAdmin(socketPath, 'status')
    return { nriState: nri.state, free: ranges.free }
  } catch {
    return undefined
  }
}
