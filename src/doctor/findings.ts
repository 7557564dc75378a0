/** What was found out about a node; undefined or a reason where it could not be. */
export interface Probes {
  /** As uname(2) has it: 6.1.0-18-amd64. */
  readonly kernel: string
  /** Whether an overlay over mapped layers works on the file system where the state lies; else the reason. */
  readonly overlay: true | string
  readonly runtime: RuntimeProbe
  /** The kernel's limit of user namespaces, 0 where they are switched off. */
  readonly maxUserNamespaces: number
  readonly nri: SocketProbe
  /** undefined: the daemon doesn't answer. */
  readonly daemon: { readonly nriState: string; readonly free: number } | undefined
}

export interface RuntimeProbe {
  /** Where the wrapper's settings were looked for. */
  readonly settings: string
  /** What they name; undefined when they can't be read. */
  readonly path: string | undefined
  /** First line of `RUNTIME --version`. */
  readonly version: string | undefined
  /** `RUNTIME features`, parsed. */
  readonly features: unknown
}

export interface SocketProbe {
  readonly path: string
  readonly state: 'listening' | 'missing' | 'refused'
}

export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'fault'
  readonly detail: string
  /** What to do about it. */
  readonly mend?: string
}

/** In the order in which they are best mended. */
export function findings(probes: Probes): Finding[] {
  return [
    kernel(probes),
    userNamespaces(probes),
    overlay(probes),
    runtime(probes.runtime),
    volumes(probes.runtime),
    nri(probes.nri),
    daemon(probes),
  ]
}

/** Overlays over mapped layers came with Linux 5.19 (fs/overlayfs/super.c). */
function kernel({ kernel: release }: Probes): Finding {
  const [major = 0, minor = 0] = release.split('.').map(Number.parseFloat)
  const check = 'kernel'
  if (major > 5 || (major === 5 && minor >= 19)) return { check, state: 'ok', detail: `Linux ${release}` }
  return {
    check,
    state: 'fault',
    detail: `Linux ${release} has no overlays over mapped layers`,
    mend: 'use Linux 5.19 or later',
  }
}

function userNamespaces({ maxUserNamespaces }: Probes): Finding {
  const check = 'user namespaces'
  if (maxUserNamespaces > 0) return { check, state: 'ok', detail: `${maxUserNamespaces} at most` }
  return {
    check,
    state: 'fault',
    detail: 'they are switched off',
    mend: 'set the sysctl user.max_user_namespaces to 65536 or so',
  }
}

function overlay({ overlay: result }: Probes): Finding {
  const check = 'root file systems'
  if (result === true) return { check, state: 'ok', detail: 'an overlay over mapped layers works here' }
  return {
    check,
    state: 'fault',
    detail: result,
    mend: "keep the runtime's and the daemon's files on ext4, xfs or btrfs",
  }
}

function runtime({ settings, path, version }: RuntimeProbe): Finding {
  const check = 'OCI runtime'
  if (path === undefined)
    return {
      check,
      state: 'fault',
      detail: `${settings} can't be read`,
      mend: 'install the wrapper and its settings, or name them with --wrapper',
    }
  if (version === undefined)
    return {
      check,
      state: 'fault',
      detail: `${path} can't be run`,
      mend: `set runtime = /PATH in ${settings}`,
    }
  return { check, state: 'ok', detail: `${path}, ${version}` }
}

/** The runtime specification's features.md: linux.mountExtensions.idmap.enabled. */
function volumes({ version, features }: RuntimeProbe): Finding {
  const check = 'volumes'
  if (version === undefined) return { check, state: 'warning', detail: 'not known without the OCI runtime' }
  if (at(features, ['linux', 'mountExtensions', 'idmap', 'enabled']) === true)
    return { check, state: 'ok', detail: 'the OCI runtime maps them' }
  return {
    check,
    state: 'fault',
    detail: 'the OCI runtime knows no mapped mounts: a container with a volume will not start',
    mend: 'use runc 1.2, crun 1.9 or later',
  }
}

function at(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return value
  return typeof value === 'object' && value !== null
    ? at((value as Record<string, unknown>)[key], rest)
    : undefined
}

function nri({ path, state }: SocketProbe): Finding {
  const check = 'NRI'
  if (state === 'listening') return { check, state: 'ok', detail: `the runtime listens on ${path}` }
  const detail = state === 'missing' ? `there is no socket ${path}` : `nothing listens on ${path}`
  const mend =
    'start the runtime; in containerd 1.7 also set disable = false in [plugins."io.containerd.nri.v1.nri"]'
  return {
    check,
    state: 'warning',
    detail: `${detail}: ranges are freed by the runtime's delete alone`,
    mend,
  }
}

function daemon({ daemon: status }: Probes): Finding {
  const check = 'daemon'
  if (!status)
    return {
      check,
      state: 'fault',
      detail: 'it does not answer: no pod of the handler can start',
      mend: 'start it: nri-userns daemon, by your service manager',
    }
  if (status.free === 0)
    return {
      check,
      state: 'fault',
      detail: 'no range is free',
      mend: 'make ranges.count larger, or end pods',
    }
  if (status.nriState === 'disconnected')
    return {
      check,
      state: 'warning',
      detail: 'it is not connected to the runtime',
      mend: 'see nri-userns status',
    }
  return { check, state: 'ok', detail: `${status.free} ranges are free` }
}
