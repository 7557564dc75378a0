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

/** Bind mounts show in the pod the ids that their files have: idmapped mounts, by runc 1.2 and crun 1.9 or later. */
export function idmapVolumes(spec: Spec, range: IdRange): Spec {
  if (!spec.mounts) return spec
  const chosen = new Set(volumes(spec))
  const mappings = { uidMappings: mappingsOf(range), gidMappings: mappingsOf(range) }
  return {
    ...spec,
    mounts: spec.mounts.map((mount) => (chosen.has(mount) ? { ...mount, ...mappings } : mount)),
  }
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
