import type { IdRange } from '../ranges/range.js'

/**
 * A change to the machine that a container's start needs, as data: what is decided in src/oci is done by the kernel
 * thread, in order, and undone in reverse when a later one fails.
 */
export type Work =
  /** The runtime's init walks through the bundle as the pod's root: group and mode let it. */
  | { readonly kind: 'openBundle'; readonly bundle: string; readonly gid: number }
  /** The overlay at `rootfs` is mounted anew over layers whose ids are mapped into the range. */
  | { readonly kind: 'mapRootfs'; readonly rootfs: string; readonly range: IdRange }
  /** A sysfs of the pod's netns at `target`, read-only. There already: nothing. */
  | { readonly kind: 'mountSysfs'; readonly netns: string; readonly target: string }
  /** net.* sysctls, which the pod's root may not write in a netns that the host's user namespace owns. */
  | {
      readonly kind: 'writeSysctls'
      readonly netns: string
      readonly sysctls: Readonly<Record<string, string>>
    }
  /**
   * The netns at that path is exchanged for one that a user namespace of the range owns, and that one is kept at `pin`.
   * Nothing, when the netns has another owner than the host already.
   */
  | { readonly kind: 'ownNetns'; readonly netns: string; readonly pin: string; readonly range: IdRange }
  /** The user namespace that was kept for a sandbox is let go; nothing there: nothing. */
  | { readonly kind: 'unpin'; readonly pin: string }
  /** The file's text is replaced at once, keeping owner and mode. */
  | { readonly kind: 'replaceFile'; readonly path: string; readonly text: string }
  /** What was mounted for a sandbox goes; nothing mounted there: nothing. */
  | { readonly kind: 'unmountSysfs'; readonly target: string }
  /** The range has no owner any more: its user namespaces are let go. */
  | { readonly kind: 'forgetRange'; readonly range: IdRange }

/** A directory or file of the host's that a container gets by a bind mount. */
export interface Volume {
  readonly source: string
  /** With the mounts below it. */
  readonly recursive: boolean
}

/** How much of a volume the kernel can map: with all mounts below it, itself alone, nothing. */
export type IdmapSupport = 'tree' | 'mount' | 'none'
