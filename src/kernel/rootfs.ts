import { closeSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { attachMount, cloneMount, idmapMount, KernelError, mount, unmount } from './libc.js'
import { mountAt } from './mountinfo.js'
import type { Namespaces } from './namespaces.js'
import { type Overlay, overlayOptions, readOverlay } from './overlay.js'
import type { Undo } from './undo.js'
import type { LayerMappings } from './userns.js'

/** Mounts what is at `rootfs` anew with mapped ids: an overlay over mapped layers, anything else as it is. */
export function mapRootfs(rootfs: string, mappings: LayerMappings, namespaces: Namespaces): Undo {
  const mounted = mountAt(readFileSync('/proc/thread-self/mountinfo', 'utf8'), rootfs)
  if (!mounted)
    throw new Error(`its root file system at ${rootfs} is not a mount, as containerd's snapshotters make it`)
  return mounted.type === 'overlay'
    ? mapOverlay(rootfs, readOverlay(mounted, rootfs), mappings, namespaces)
    : mapBind(rootfs, mounted.type, mappings)
}

/** A snapshot of one directory: of the native snapshotter, or a view of one layer. */
function mapBind(rootfs: string, type: string, mappings: LayerMappings): Undo {
  const mapped = cloneMount(rootfs)
  const before = cloneMount(rootfs)
  try {
    explainUnmappable(rootfs, type, () => idmapMount(mapped, mappings.lower, rootfs))
    unmount(rootfs)
    attachMount(mapped, rootfs)
  } catch (error) {
    closeSync(before)
    throw error
  } finally {
    closeSync(mapped)
  }
  const undo = () => {
    unmount(rootfs)
    attachMount(before, rootfs)
  }
  return Object.assign(undo, { settle: () => closeSync(before) })
}

function mapOverlay(rootfs: string, overlay: Overlay, mappings: LayerMappings, namespaces: Namespaces): Undo {
  const layers = cloneLayers(overlay, mappings)
  try {
    // The old overlay goes before the new one is made: two that share an upper layer are undefined behaviour
    // (overlayfs.rst), and refused with index=on.
    unmount(rootfs)
    try {
      attachOverlay(rootfs, overlay, layers, namespaces)
    } catch (error) {
      restoreOverlay(rootfs, overlay, namespaces)
      throw error
    }
  } finally {
    for (const layer of layers) closeSync(layer)
  }
  return () => {
    unmount(rootfs)
    restoreOverlay(rootfs, overlay, namespaces)
  }
}

/** mount(2) takes a page of options, its last byte a zero. */
const MAX_OPTIONS = 4095

function restoreOverlay(rootfs: string, overlay: Overlay, namespaces: Namespaces): void {
  const options = overlayOptions(overlay)
  if (Buffer.byteLength(options) <= MAX_OPTIONS) {
    mount('overlay', rootfs, 'overlay', overlay.flags, options)
    return
  }
  // The snapshotter's own were relative to a directory.
  const layers = cloneLayers(overlay, undefined)
  try {
    attachOverlay(rootfs, overlay, layers, namespaces)
  } finally {
    for (const layer of layers) closeSync(layer)
  }
}

function attachOverlay(
  rootfs: string,
  overlay: Overlay,
  layers: readonly number[],
  namespaces: Namespaces,
): void {
  const made = namespaces.inScratch(() => mountOver(layers, overlay))
  try {
    attachMount(made, rootfs)
  } finally {
    closeSync(made)
  }
}

/**
 * Detached, mapped copies: first of the directory that holds upper and work, which must lie on one mount, then of each
 * lower layer. A view has no upper.
 */
function cloneLayers(overlay: Overlay, mappings: LayerMappings | undefined): number[] {
  const clones: number[] = []
  const clone = (path: string, userns: number | undefined) => {
    const fd = cloneMount(path)
    clones.push(fd)
    if (userns !== undefined) explainUnmappable(path, 'that of a layer', () => idmapMount(fd, userns, path))
  }
  try {
    if (overlay.writable) clone(dirname(overlay.writable.upper), mappings?.upper)
    for (const layer of overlay.lower) clone(layer, mappings?.lower)
    return clones
  } catch (error) {
    for (const fd of clones) closeSync(fd)
    throw error
  }
}

/** In the scratch namespace: a detached overlay over the layers. overlayfs takes private clones of its layers, so nothing stays attached. */
function mountOver(layers: readonly number[], overlay: Overlay): number {
  const attached: string[] = []
  try {
    for (const [index, layer] of layers.entries()) {
      const target = `/${index}`
      mkdirSync(target, { recursive: true })
      attachMount(layer, target)
      attached.push(target)
    }
    const target = '/overlay'
    mkdirSync(target, { recursive: true })
    const options = overlayOptions(relocate(overlay, attached))
    mount('overlay', target, 'overlay', overlay.flags, options)
    attached.push(target)
    return cloneMount(target)
  } finally {
    for (const target of attached.reverse()) unmount(target)
  }
}

/** The same overlay, its layers where they are attached. */
function relocate(overlay: Overlay, attached: readonly string[]): Overlay {
  if (!overlay.writable) return { ...overlay, lower: [...attached] }
  const [top, ...lower] = attached
  const { upper, work } = overlay.writable
  const writable = { upper: `${top}/${basename(upper)}`, work: `${top}/${basename(work)}` }
  return { ...overlay, lower, writable }
}

function explainUnmappable(path: string, type: string, map: () => void): void {
  try {
    map()
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'EINVAL') throw error
    throw new Error(
      `its root file system has ${path} on a file system (${type}) that the kernel can't map ids on: keep the snapshots on ext4, xfs or btrfs`,
    )
  }
}
