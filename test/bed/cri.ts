import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Container,
  ContainerState,
  type ContainerStatus,
  ImageService,
  type PodSandbox,
  type PodSandboxStatus,
  RuntimeService,
} from './cri_pb.js'
import { CriChannel } from './cri-channel.js'
import { type ContainerOptions, containerConfig, type PodConfig, type PodOptions, podConfig } from './pod.js'

export interface Pod {
  /** The sandbox's id. */
  readonly id: string
  readonly uid: string
  readonly options: PodOptions
  readonly config: PodConfig
}

export interface ExecResult {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

/** What the kubelet is to a runtime: a CRI client that says pods and containers in short. */
export class Cri {
  readonly #channel: CriChannel
  readonly #logs: string
  readonly #cgroup: string

  constructor(socket: string, logs: string, cgroup: string) {
    this.#channel = new CriChannel(socket)
    this.#logs = logs
    this.#cgroup = cgroup
  }

  async runPod(options: PodOptions): Promise<Pod> {
    const config = podConfig(options, this.#logs, this.#cgroup)
    const runtimeHandler = options.handler ?? ''
    const { podSandboxId } = await this.#channel.call(RuntimeService.method.runPodSandbox, {
      config,
      runtimeHandler,
    })
    return { id: podSandboxId, uid: config.metadata!.uid!, options, config }
  }

  async stopPod(podSandboxId: string, deadlineMs?: number): Promise<void> {
    await this.#channel.call(RuntimeService.method.stopPodSandbox, { podSandboxId }, deadlineMs)
  }

  /** Stops and removes a sandbox and its containers. One that is gone already is no error. */
  async removePod(podSandboxId: string, deadlineMs?: number): Promise<void> {
    await this.stopPod(podSandboxId, deadlineMs)
    await this.#channel.call(RuntimeService.method.removePodSandbox, { podSandboxId }, deadlineMs)
  }

  async pods(): Promise<PodSandbox[]> {
    return (await this.#channel.call(RuntimeService.method.listPodSandbox, {})).items
  }

  async podStatus(podSandboxId: string): Promise<PodSandboxStatus> {
    const answer = await this.#channel.call(RuntimeService.method.podSandboxStatus, { podSandboxId })
    return answer.status!
  }

  /** The pid of the sandbox's pause process. */
  async podPid(podSandboxId: string): Promise<number> {
    const request = { podSandboxId, verbose: true }
    return pidOf(await this.#channel.call(RuntimeService.method.podSandboxStatus, request))
  }

  /** Creates a container, which start() then starts, and answers its id. */
  async createContainer(pod: Pod, options: ContainerOptions): Promise<string> {
    const answer = await this.#channel.call(RuntimeService.method.createContainer, {
      podSandboxId: pod.id,
      config: containerConfig(pod.options, options),
      sandboxConfig: pod.config,
    })
    return answer.containerId
  }

  async start(containerId: string): Promise<void> {
    await this.#channel.call(RuntimeService.method.startContainer, { containerId })
  }

  /** Creates and starts a container and answers its id. */
  async runContainer(pod: Pod, options: ContainerOptions): Promise<string> {
    const id = await this.createContainer(pod, options)
    await this.start(id)
    return id
  }

  /** SIGTERM, and SIGKILL after that many seconds. */
  async stop(containerId: string, seconds = 0): Promise<void> {
    await this.#channel.call(RuntimeService.method.stopContainer, { containerId, timeout: BigInt(seconds) })
  }

  async remove(containerId: string): Promise<void> {
    await this.#channel.call(RuntimeService.method.removeContainer, { containerId })
  }

  async containers(): Promise<Container[]> {
    return (await this.#channel.call(RuntimeService.method.listContainers, {})).containers
  }

  async containerStatus(containerId: string): Promise<ContainerStatus> {
    return (await this.#channel.call(RuntimeService.method.containerStatus, { containerId })).status!
  }

  async containerPid(containerId: string): Promise<number> {
    const request = { containerId, verbose: true }
    return pidOf(await this.#channel.call(RuntimeService.method.containerStatus, request))
  }

  /** Waits until a container has ended and answers its exit code. */
  async exitCode(containerId: string): Promise<number> {
    for (;;) {
      const { state, exitCode } = await this.containerStatus(containerId)
      if (state === ContainerState.CONTAINER_EXITED) return exitCode
      await sleep(20)
    }
  }

  /** Runs a command, or a line of shell, in a running container. */
  async exec(containerId: string, command: string | readonly string[]): Promise<ExecResult> {
    const cmd = typeof command === 'string' ? ['/bin/sh', '-c', command] : [...command]
    const { stdout, stderr, exitCode } = await this.#channel.call(RuntimeService.method.execSync, {
      containerId,
      cmd,
    })
    return { stdout: Buffer.from(stdout).toString(), stderr: Buffer.from(stderr).toString(), exitCode }
  }

  /** What a container has written to stdout and stderr, without the log format's dates. */
  async logs(containerId: string): Promise<string> {
    const { logPath } = await this.containerStatus(containerId)
    const lines = (await readFile(logPath, 'utf8')).split('\n').filter(Boolean)
    return lines
      .map((line) => /^\S+ \S+ (\S) (.*)$/s.exec(line))
      .map((parts) => `${parts![2]}${parts![1] === 'F' ? '\n' : ''}`)
      .join('')
  }

  async isReady(): Promise<boolean> {
    const { status } = await this.#channel.call(RuntimeService.method.status, {}, 1000)
    return status!.conditions
      .filter(({ type }) => /^(Runtime|Network)Ready$/.test(type))
      .every((one) => one.status)
  }

  async hasImage(image: string): Promise<boolean> {
    return (
      (await this.#channel.call(ImageService.method.imageStatus, { image: { image } })).image !== undefined
    )
  }

  close(): void {
    this.#channel.close()
  }
}

function pidOf({ info }: { info: Record<string, string> }): number {
  return (JSON.parse(info.info!) as { pid: number }).pid
}
