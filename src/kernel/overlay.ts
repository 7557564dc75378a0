import { dirname, isAbsolute, join } from 'node:path'
import * as flags from './flags.js'
import type { Mount } from './mountinfo.js'

/** What an overlay was mounted with. */
export interface Overlay {
  /** Topmost first. */
  readonly lower: readonly string[]
  /** Undefined for a read-only view. */
  readonly writable: { readonly upper: string; readonly work: string } | undefined
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

/** @throws Error with a sentence when the overlay is not of the form that snapshotters make */
export function readOverlay(mount: Mount, rootfs: string): Overlay {
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
  if (lower.length === 0 || !upper !== !work)
    throw new Error(`the overlay at ${rootfs} has no lower layer, or only one of upper layer and workdir`)
  const writable = upper && work ? { upper, work } : undefined
  if (writable && dirname(writable.upper) !== dirname(writable.work))
    throw new Error(
      `the overlay at ${rootfs} has its upper layer ${upper} and its workdir ${work} in different directories`,
    )
  return {
    lower: lower.map((layer) => absolute(layer, writable?.upper, rootfs)),
    writable,
    otherOptions: other,
    flags: mount.options.reduce((bits, option) => bits | (FLAGS[option] ?? 0), 0),
  }
}

/** containerd shortens a long list of layers to paths relative to the snapshots' directory: upper is <snapshots>/<n>/fs. */
function absolute(layer: string, upper: string | undefined, rootfs: string): string {
  if (isAbsolute(layer)) return layer
  if (upper) return join(dirname(dirname(upper)), layer)
  throw new Error(
    `the overlay at ${rootfs} is a view with the relative layer ${layer}, whose directory is not known`,
  )
}

/** The option string of mount(2), which must stay below a page of 4 KiB. */
export function overlayOptions(overlay: Overlay): string {
  return [
    `lowerdir=${overlay.lower.map(escapeOption).join(':')}`,
    ...(overlay.writable
      ? [`upperdir=${escapeOption(overlay.writable.upper)}`, `workdir=${escapeOption(overlay.writable.work)}`]
      : []),
    ...overlay.otherOptions,
  ].join(',')
}
