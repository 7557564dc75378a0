import { closeSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { attachMount, cloneMount, idmapMount, mount, unmount } from './libc.js'
import { mountAt } from './mountinfo.js'
import type { Namespaces } from './namespaces.js'
import { type Overlay, overlayOptions, readOverlay } from './overlay.js'
import type { LayerMappings } from './userns.js'

/** Mounts the overlay at `rootfs` anew over mapped layers. @returns what puts the first one back */
export function mapRootfs(rootfs: string, mappings: LayerMappings, namespaces: Namespaces): () => void {
  const overlay = readOverlay(mountAt(readFileSync('/proc/thread-self/mountinfo', 'utf8'), rootfs), rootfs)
  const layers = cloneLayers(overlay, mappings)
  try {
    // The first overlay goes before the new one is made: two that share an upper layer are undefined behaviour
    // (overlayfs.rst), and refused with index=on.
    unmount(rootfs)
    try {
      const mapped = namespaces.inScratch(() => mountOver(layers, overlay))
      try {
        attachMount(mapped, rootfs)
      } finally {
        closeSync(mapped)
      }
    } catch (error) {
      remount(rootfs, overlay)
      throw error
    }
  } finally {
    for (const layer of layers) closeSync(layer)
  }
  return () => {
    unmount(rootfs)
    remount(rootfs, overlay)
  }
}

function remount(rootfs: string, overlay: Overlay): void {
  mount('overlay', rootfs, 'overlay', overlay.flags, overlayOptions(overlay))
}

/** Detached, mapped copies: first of the directory that holds upper and work, which must lie on one mount, then of each lower layer. */
function cloneLayers(overlay: Overlay, mappings: LayerMappings): number[] {
  const clones: number[] = []
  const clone = (path: string, userns: number) => {
    const fd = cloneMount(path)
    clones.push(fd)
    idmapMount(fd, userns, path)
  }
  try {
    clone(dirname(overlay.upper), mappings.upper)
    for (const layer of overlay.lower) clone(layer, mappings.lower)
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
    const [upper, ...lower] = attached
    const options = overlayOptions({
      ...overlay,
      lower,
      upper: `${upper}/${basename(overlay.upper)}`,
      work: `${upper}/${basename(overlay.work)}`,
    })
    mount('overlay', target, 'overlay', overlay.flags, options)
    attached.push(target)
    return cloneMount(target)
  } finally {
    for (const target of attached.reverse()) unmount(target)
  }
}
