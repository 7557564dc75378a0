import { closeSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { attachMount, newMount, unmount } from './libc.js'
import { mountAt } from './mountinfo.js'
import type { Namespaces } from './namespaces.js'

// MOUNT_ATTR_RDONLY, NOSUID, NODEV and NOEXEC of mount_setattr(2).
const READ_ONLY = 1 | 2 | 4 | 8

const isMounted = (target: string) =>
  mountAt(readFileSync('/proc/thread-self/mountinfo', 'utf8'), target) !== undefined

/**
 * Mounts a sysfs of the netns at `target`, which the pod's root could not mount himself: the netns belongs to the
 * host's user namespace. @returns what takes it away, or undefined when it was there already
 */
export function mountSysfs(netns: string, target: string, namespaces: Namespaces): (() => void) | undefined {
  if (isMounted(target)) return undefined
  mkdirSync(target, { recursive: true, mode: 0o711 })
  const sysfs = namespaces.inNetns(netns, () => newMount('sysfs', READ_ONLY, closeSync))
  try {
    attachMount(sysfs, target)
  } finally {
    closeSync(sysfs)
  }
  return () => unmountSysfs(target)
}

export function unmountSysfs(target: string): void {
  if (isMounted(target)) unmount(target)
  try {
    rmdirSync(target)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
