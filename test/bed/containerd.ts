import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CniPlugin, setUpCni } from './cni.js'
import { containerdConfig, type Runtime } from './config.js'
import { Cri } from './cri.js'
import { Daemon } from './daemon.js'
import { BUSYBOX, PAUSE, writeImages } from './image.js'
import { type ContainerdVersion, type Packages, type Progress, preparePackages } from './packages.js'
import { run } from './run.js'
import { type Slot, takeSlot } from './slot.js'

export interface ContainerdOptions {
  readonly version: ContainerdVersion
  /** Runtime handlers beside `runc`, which is always the real one. */
  readonly runtimes?: (containerd: Containerd) => Readonly<Record<string, Runtime>>
  /** Called when the directory is there, and containerd not yet. */
  readonly beforeStart?: (containerd: Containerd) => Promise<void>
  /** CNI plugins of the test's own, paths by name. */
  readonly cniPlugins?: (containerd: Containerd) => Readonly<Record<string, string>>
  /** Whether NRI is on, as it is by default. */
  readonly nri?: boolean
  readonly progress?: Progress
}

const READY_MS = 20_000

/** Starts a containerd of the test's own. Throws, and leaves nothing, when it doesn't get ready. */
export async function startContainerd(options: ContainerdOptions): Promise<Containerd> {
  const packages = await preparePackages(options.progress)
  const slot = await takeSlot()
  const containerd = new Containerd(slot, packages, options)
  try {
    await containerd.setUp()
    return containerd
  } catch (error) {
    await containerd.stop()
    throw error
  }
}

/** A running containerd; all it has is in a directory of its own, that pods' ids can pass. */
export class Containerd {
  readonly version: ContainerdVersion
  readonly directory: string
  /** Tells it from the other beds that run at the same time. */
  readonly number: number
  readonly socket: string
  readonly nriSocket: string
  /** Plugins in it are started by containerd: NRI's plugin_path. */
  readonly pluginPath: string
  readonly pluginConfigPath: string
  /** The real runc. */
  readonly runc: string
  readonly cri: Cri
  readonly #slot: Slot
  readonly #packages: Packages
  readonly #options: ContainerdOptions
  readonly #daemon: Daemon

  constructor(slot: Slot, packages: Packages, options: ContainerdOptions) {
    const at = (name: string) => join(slot.directory, name)
    const bin = packages.containerdBin[options.version]
    const env = { PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` }
    this.version = options.version
    this.directory = slot.directory
    this.number = slot.number
    this.socket = at('containerd.sock')
    this.nriSocket = at('nri.sock')
    this.pluginPath = at('nri-plugins')
    this.pluginConfigPath = at('nri-config')
    this.runc = packages.runc
    this.cri = new Cri(this.socket, at('logs'), slot.name)
    this.#slot = slot
    this.#packages = packages
    this.#options = options
    this.#daemon = new Daemon(
      [join(bin, 'containerd'), '--config', at('config.toml')],
      env,
      at('containerd.log'),
    )
  }

  get pid(): number | undefined {
    return this.#daemon.pid
  }

  get logPath(): string {
    return this.#daemon.logPath
  }

  async setUp(): Promise<void> {
    await mkdir(this.directory)
    await chmod(this.directory, 0o711)
    for (const path of [this.pluginPath, this.pluginConfigPath]) await mkdir(path, { recursive: true })
    const runtimes = { ...this.#options.runtimes?.(this), runc: { binary: this.runc } }
    await this.#options.beforeStart?.(this)
    await setUpCni({
      directory: join(this.directory, 'cni'),
      name: this.#slot.name,
      subnet: this.#slot.subnet,
      plugins: this.#packages.cniBin,
      ownPlugins: this.#options.cniPlugins?.(this) ?? {},
      chains: cniChains(runtimes),
    })
    const config = containerdConfig({
      version: this.version,
      directory: this.directory,
      pauseImage: PAUSE,
      runtimes,
      nri: this.#options.nri ?? true,
      pluginPath: this.pluginPath,
      pluginConfigPath: this.pluginConfigPath,
    })
    await writeFile(join(this.directory, 'config.toml'), config)
    await this.start()
    const images = join(this.directory, 'images.tar')
    await writeImages(images, this.#packages.busybox)
    await this.ctr('images', 'import', images)
    // CRI hears of the images by an event.
    for (const image of [BUSYBOX, PAUSE])
      await this.#until(() => this.cri.hasImage(image), `has no image ${image}`)
  }

  /** Starts it after a kill, or stays with what runs, and waits until pods can be run. */
  async start(): Promise<void> {
    if (!this.#daemon.isRunning) await this.#daemon.start()
    await this.#until(() => this.cri.isReady(), 'is not ready')
  }

  /** Ends containerd and starts it again; pods go on. */
  async restart(): Promise<void> {
    await this.#daemon.end('SIGTERM')
    await this.start()
  }

  /** Kills containerd, and only that: its shims and pods go on. */
  async kill(): Promise<void> {
    await this.#daemon.end('SIGKILL')
  }

  /** Runs containerd's own client in the namespace of CRI's pods. */
  ctr(...args: string[]): Promise<string> {
    const ctr = join(this.#packages.containerdBin[this.version], 'ctr')
    return run(ctr, ['--address', this.socket, '--namespace', 'k8s.io', ...args])
  }

  /** Removes all pods, ends containerd, and removes everything that is left of the bed. */
  async stop(): Promise<void> {
    await this.removePods()
    this.cri.close()
    await this.#daemon.end('SIGTERM')
    await this.#slot.release()
  }

  /** A pod that can't be removed, as one whose runtime a test has broken, is left to the sweep of the slot. */
  async removePods(): Promise<void> {
    if (!this.#daemon.isRunning) return
    const pods = await this.cri.pods().catch(() => [])
    await Promise.allSettled(pods.map(({ id }) => this.cri.removePod(id, 5_000)))
  }

  async #until(condition: () => Promise<boolean>, failure: string): Promise<void> {
    for (const deadline = Date.now() + READY_MS; ; await sleep(20)) {
      const reached = await condition().catch(() => false)
      if (reached) return
      if (this.#daemon.isRunning && Date.now() < deadline) continue
      const log = await readFile(this.logPath, 'utf8')
      const state = this.#daemon.isRunning ? failure : 'ended'
      throw new Error(`containerd ${this.version} ${state}:\n${log.split('\n').slice(-15).join('\n')}`)
    }
  }
}

function cniChains(runtimes: Readonly<Record<string, Runtime>>): Record<string, readonly CniPlugin[]> {
  return Object.fromEntries(
    Object.entries(runtimes).flatMap(([handler, { cniChain }]) => (cniChain ? [[handler, cniChain]] : [])),
  )
}
