import { dirname, isAbsolute, join } from 'node:path'
import * as flags from './flags.js'
import type { Mount } from './mountinfo.js'

/** What an overlay was mounted with. */
export interface Overlay {
  /** Topmost first. */
  readonly lower: readonly string[]
  readonly upper: string
  readonly work: string
  /** index, metacopy, userxattr, ...: kept as they were. */
  readonly otherOptions: readonly string[]
  /** MS_* */
  readonly flags: number
}

const FLAGS: Record<string, number> = {
  ro: flags.MS_RDONLY,
  nosuid: flags.MS_NOSUID,
  nodev: flags.MS_NODEV,
  noexec: flags.MS_NOEXEC,
  noatime: flags.MS_NOATIME,
  nodiratime: flags.MS_NODIRATIME,
  relatime: flags.MS_RELATIME,
}

// A colon parts the layers; one that belongs to a path has a backslash before it (overlayfs.rst).
const splitLayers = (text: string) => text.split(/(?<!\\):/).map((layer) => layer.replaceAll('\\:', ':'))

const escapeOption = (text: string) => text.replace(/[\\,:]/g, '\\$&')

/** @throws Error with a sentence when the mount is no overlay with an upper layer of the form that snapshotters make */
export function readOverlay(mount: Mount | undefined, rootfs: string): Overlay {
  if (mount?.type !== 'overlay')
    throw new Error(
      `its root file system at ${rootfs} is ${mount ? `of type ${mount.type}` : 'not a mount'}: only the overlayfs snapshotter is supported`,
    )
  const lower: string[] = []
  const other: string[] = []
  let upper: string | undefined
  let work: string | undefined
  for (const [key, value] of mount.superOptions) {
    if (key === 'lowerdir') lower.push(...splitLayers(value ?? ''))
    else if (key === 'lowerdir+') lower.push(value ?? '')
    else if (key === 'upperdir') upper = value?.replaceAll('\\:', ':')
    else if (key === 'workdir') work = value?.replaceAll('\\:', ':')
    else if (key !== 'rw' && key !== 'ro') other.push(value === undefined ? key : `${key}=${value}`)
  }
  if (!upper || !work || lower.length === 0)
    throw new Error(`the overlay at ${rootfs} has no upper layer (a read-only view): it can't be mapped yet`)
  if (dirname(upper) !== dirname(work))
    throw new Error(
      `the overlay at ${rootfs} has its upper layer ${upper} and its workdir ${work} in different directories`,
    )
  // containerd shortens a long list of layers to paths relative to the snapshots' directory: upper is <snapshots>/<n>/fs.
  const snapshots = dirname(dirname(upper))
  return {
    lower: lower.map((layer) => (isAbsolute(layer) ? layer : join(snapshots, layer))),
    upper,
    work,
    otherOptions: other,
    flags: mount.options.reduce((bits, option) => bits | (FLAGS[option] ?? 0), 0),
  }
}

/** The option string of mount(2), which must stay below a page of 4 KiB. */
export function overlayOptions(overlay: Overlay): string {
  return [
    `lowerdir=${overlay.lower.map(escapeOption).join(':')}`,
    `upperdir=${escapeOption(overlay.upper)}`,
    `workdir=${escapeOption(overlay.work)}`,
    ...overlay.otherOptions,
  ].join(',')
}
