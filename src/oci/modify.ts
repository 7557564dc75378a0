import type { IdmapSupport } from '../kernel/work.js'
import type { IdRange } from '../ranges/range.js'
import type { IdMapping, Linux, Spec, SpecMount } from './spec.js'

const mappingsOf = ({ hostID, length }: IdRange): IdMapping[] => [{ containerID: 0, hostID, size: length }]

const withLinux = (spec: Spec, change: Partial<Linux>): Spec => ({
  ...spec,
  linux: { ...spec.linux, ...change },
})

export const namespacePath = (spec: Spec, type: string): string | undefined =>
  spec.linux?.namespaces?.find((namespace) => namespace.type === type)?.path

/** @param path of the user namespace to join; undefined makes a new one. The mappings are told in both cases, as runc asks. */
export function addUserNamespace(spec: Spec, range: IdRange, path?: string): Spec {
  return withLinux(spec, {
    namespaces: [
      ...(spec.linux?.namespaces ?? []),
      path === undefined ? { type: 'user' } : { type: 'user', path },
    ],
    uidMappings: mappingsOf(range),
    gidMappings: mappingsOf(range),
  })
}

/** The user namespace of a container's sandbox, told by its other namespaces: /proc/PID/ns/ipc -> /proc/PID/ns/user. */
export function sandboxUserNamespace(spec: Spec): string | undefined {
  for (const type of ['ipc', 'network', 'uts']) {
    const match = /^(\/proc\/\d+\/ns\/)\w+$/.exec(namespacePath(spec, type) ?? '')
    if (match) return `${match[1]}user`
  }
  return undefined
}

/** The sysfs mounts become binds of one that is mounted already. */
export function bindSysfs(spec: Spec, source: string): Spec {
  if (!spec.mounts) return spec
  return {
    ...spec,
    mounts: spec.mounts.map((mount) => (mount.type === 'sysfs' ? bindOf(mount, source) : mount)),
  }
}

function bindOf(mount: SpecMount, source: string): SpecMount {
  // rslave or the like may be among the options; a bind adds to them.
  return { ...mount, type: 'bind', source, options: ['rbind', ...(mount.options ?? [])] }
}

const isBind = ({ type, options }: SpecMount): boolean =>
  type === 'bind' || (options ?? []).some((option) => option === 'bind' || option === 'rbind')

/** Binds whose ids are to be mapped. The sandbox's /dev/shm is a tmpfs of the pod's own, mode 1777: mapping gains nothing. */
export const volumes = (spec: Spec): SpecMount[] =>
  (spec.mounts ?? []).filter((mount) => isBind(mount) && mount.destination !== '/dev/shm')

/**
 * Bind mounts show in the pod the ids that their files have: idmapped mounts, by runc 1.2 and crun 1.9 or later.
 * @param support what the kernel can map, by destination; a bind that isn't there stays as it is
 */
export function idmapVolumes(spec: Spec, range: IdRange, support: ReadonlyMap<string, IdmapSupport>): Spec {
  if (!spec.mounts) return spec
  const mappings = { uidMappings: mappingsOf(range), gidMappings: mappingsOf(range) }
  return {
    ...spec,
    mounts: spec.mounts.map((mount) => {
      const extent = isBind(mount) ? support.get(mount.destination) : undefined
      if (extent === undefined || extent === 'none') return mount
      const options = extent === 'tree' ? [...(mount.options ?? []), 'ridmap'] : mount.options
      return { ...mount, ...mappings, ...(options && { options }) }
    }),
  }
}

const PING_GROUPS = 'net.ipv4.ping_group_range'
const FIRST_FREE_PORT = 'net.ipv4.ip_unprivileged_port_start'

const withSysctls = (spec: Spec, sysctls: Record<string, string>): Spec =>
  withLinux(spec, { sysctl: { ...spec.linux?.sysctl, ...sysctls } })

/** Groups as the pod has them: the kernel refuses those that its user namespace doesn't map. Undefined: not to be read. */
function pingGroups(spec: Spec, range: IdRange): [first: number, last: number] | undefined {
  const match = /^\s*(\d+)\s+(\d+)\s*$/.exec(spec.linux?.sysctl?.[PING_GROUPS] ?? '')
  if (!match) return undefined
  const last = range.length - 1
  return [Math.min(Number(match[1]), last), Math.min(Number(match[2]), last)]
}

/** In a netns that the pod owns, its own user namespace reads the groups. */
export function clampPingGroups(spec: Spec, range: IdRange): Spec {
  const groups = pingGroups(spec, range)
  return groups ? withSysctls(spec, { [PING_GROUPS]: groups.join(' ') }) : spec
}

/**
 * In a netns of the host's no capability of the pod counts: its processes open low ports and ping by sysctl, as far as
 * its author doesn't say otherwise. The groups are read in the host's user namespace.
 */
export function openNetwork(spec: Spec, range: IdRange): Spec {
  const [first, last] = pingGroups(spec, range) ?? [0, range.length - 1]
  // "1 0", the kernel's own default, stands for nobody.
  const groups = first > last ? '1 0' : `${range.hostID + first} ${range.hostID + last}`
  return withSysctls(spec, {
    [FIRST_FREE_PORT]: spec.linux?.sysctl?.[FIRST_FREE_PORT] ?? '0',
    [PING_GROUPS]: groups,
  })
}

const isNet = (name: string) => /^net[./]/.test(name)

/** Those that only the netns' owner may set, to be written by the daemon, and the specification without them. */
export function takeNetSysctls(spec: Spec): { spec: Spec; sysctls: Record<string, string> } {
  const entries = Object.entries(spec.linux?.sysctl ?? {})
  const sysctls = Object.fromEntries(entries.filter(([name]) => isNet(name)))
  if (Object.keys(sysctls).length === 0) return { spec, sysctls }
  return {
    spec: withLinux(spec, { sysctl: Object.fromEntries(entries.filter(([name]) => !isNet(name))) }),
    sysctls,
  }
}
