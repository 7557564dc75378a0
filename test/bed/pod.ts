import { randomUUID } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type ContainerConfigSchema,
  type MountSchema,
  NamespaceMode,
  type NamespaceOptionSchema,
  type PodSandboxConfigSchema,
} from './cri_pb.js'
import { BUSYBOX } from './image.js'

export interface PodOptions {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  /** Which sandbox of the pod this is, from 0. */
  readonly attempt?: number
  /** A runtime handler of the bed, by default runc itself. */
  readonly handler?: string
  readonly labels?: Record<string, string>
  readonly annotations?: Record<string, string>
  readonly sysctls?: Record<string, string>
  readonly hostNetwork?: boolean
  readonly hostPID?: boolean
  readonly hostIPC?: boolean
  /** The containers share one pid namespace. */
  readonly sharePID?: boolean
  /** Needed by a pod that has a privileged container. */
  readonly privileged?: boolean
  /** A user namespace as the kubelet asks for it: container ids 0 to length - 1 are hostID and up. */
  readonly userns?: { readonly hostID: number; readonly length: number }
}

export interface ContainerOptions {
  readonly name: string
  readonly command: readonly string[]
  /** Which container of that name this is, from 0. */
  readonly attempt?: number
  readonly image?: string
  readonly env?: Readonly<Record<string, string>>
  readonly mounts?: readonly MessageInitShape<typeof MountSchema>[]
  readonly runAsUser?: number
  /** Takes runAsUser, as CRI has it. */
  readonly runAsGroup?: number
  readonly supplementalGroups?: readonly number[]
  readonly readonlyRootfs?: boolean
  readonly privileged?: boolean
  readonly noNewPrivileges?: boolean
  /** Unmasked: no path of /proc and /sys is hidden or read-only. */
  readonly procMount?: 'Unmasked'
  readonly tty?: boolean
  readonly addCapabilities?: readonly string[]
  readonly dropCapabilities?: readonly string[]
  readonly annotations?: Record<string, string>
}

export type PodConfig = MessageInitShape<typeof PodSandboxConfigSchema>
type ContainerConfig = MessageInitShape<typeof ContainerConfigSchema>
type NamespaceOption = MessageInitShape<typeof NamespaceOptionSchema>

/** The sandbox's configuration, as the kubelet makes it of a pod. */
export function podConfig(pod: PodOptions, logs: string, cgroup: string): PodConfig {
  const { name, namespace = 'default', uid = randomUUID(), attempt = 0 } = pod
  return {
    metadata: { name, namespace, uid, attempt },
    // containerd refuses a hostname in a pod that has the host's.
    hostname: pod.hostNetwork ? '' : name,
    logDirectory: `${logs}/${namespace}_${name}_${uid}`,
    labels: {
      ...pod.labels,
      'io.kubernetes.pod.name': name,
      'io.kubernetes.pod.namespace': namespace,
      'io.kubernetes.pod.uid': uid,
    },
    annotations: pod.annotations ?? {},
    linux: {
      cgroupParent: `/${cgroup}`,
      sysctls: pod.sysctls ?? {},
      securityContext: { namespaceOptions: namespaceOptions(pod), privileged: pod.privileged ?? false },
    },
  }
}

/** A container's configuration, with the resources, masked and read-only paths that the kubelet gives by default. */
export function containerConfig(pod: PodOptions, container: ContainerOptions): ContainerConfig {
  const { name, command, image = BUSYBOX, privileged = false } = container
  const isUnmasked = privileged || container.procMount === 'Unmasked'
  const userns = namespaceOptions(pod).usernsOptions
  return {
    metadata: { name, attempt: container.attempt ?? 0 },
    image: { image },
    command: [...command],
    envs: Object.entries(container.env ?? {}).map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: (container.mounts ?? []).map((mount) => ({
      uidMappings: userns?.uids ?? [],
      gidMappings: userns?.gids ?? [],
      ...mount,
    })),
    labels: { 'io.kubernetes.container.name': name },
    annotations: container.annotations ?? {},
    logPath: `${name}.log`,
    tty: container.tty ?? false,
    linux: {
      resources: { cpuShares: 2n, oomScoreAdj: 1000n },
      securityContext: {
        privileged,
        namespaceOptions: namespaceOptions(pod),
        ...(container.runAsUser !== undefined && { runAsUser: { value: BigInt(container.runAsUser) } }),
        ...(container.runAsGroup !== undefined && { runAsGroup: { value: BigInt(container.runAsGroup) } }),
        supplementalGroups: (container.supplementalGroups ?? []).map(BigInt),
        readonlyRootfs: container.readonlyRootfs ?? false,
        noNewPrivs: container.noNewPrivileges ?? false,
        capabilities: {
          addCapabilities: [...(container.addCapabilities ?? [])],
          dropCapabilities: [...(container.dropCapabilities ?? [])],
        },
        maskedPaths: isUnmasked ? [] : MASKED_PATHS,
        readonlyPaths: isUnmasked ? [] : READONLY_PATHS,
      },
    },
  }
}

function namespaceOptions(
  pod: PodOptions,
): NamespaceOption & { usernsOptions?: { uids: Mapping[]; gids: Mapping[] } } {
  const { POD, CONTAINER, NODE } = NamespaceMode
  const mappings = pod.userns && [{ hostId: pod.userns.hostID, containerId: 0, length: pod.userns.length }]
  return {
    network: pod.hostNetwork ? NODE : POD,
    pid: pod.hostPID ? NODE : pod.sharePID ? POD : CONTAINER,
    ipc: pod.hostIPC ? NODE : POD,
    ...(mappings && { usernsOptions: { mode: POD, uids: mappings, gids: mappings } }),
  }
}

interface Mapping {
  hostId: number
  containerId: number
  length: number
}

// kubernetes pkg/securitycontext/util.go
const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']
