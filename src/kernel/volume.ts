import { closeSync } from 'node:fs'
import { cloneMount, idmapMount, KernelError } from './libc.js'
import type { IdmapSupport, Volume } from './work.js'

/** Tries on a detached copy what the runtime will do to the volume. @throws Error when there is no such source */
export function probeVolume({ source, recursive }: Volume, userns: number): IdmapSupport {
  if (recursive && canMap(source, userns, true)) return 'tree'
  return canMap(source, userns, false) ? 'mount' : 'none'
}

function canMap(source: string, userns: number, tree: boolean): boolean {
  const clone = cloneMount(source, tree)
  try {
    idmapMount(clone, userns, source, tree)
    return true
  } catch (error) {
    // EINVAL: the file system doesn't support it. EPERM: the mount is mapped already. mount_setattr(2)
    if (error instanceof KernelError && ['EINVAL', 'EPERM'].includes(error.code)) return false
    throw error
  } finally {
    closeSync(clone)
  }
}
