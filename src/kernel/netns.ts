import { closeSync, fstatSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { IdRange } from '../ranges/range.js'
import { CLONE_NEWNET, CLONE_NEWUSER } from './flags.js'
import { attachMount, bringUp, cloneMount, ownerOf, replaceMount, unmount, withNamespaces } from './libc.js'
import type { Namespaces } from './namespaces.js'

/**
 * Puts in the place of the netns at `netns` a new one that a new user namespace of this range owns, and keeps that user
 * namespace at `pin` for the sandbox to join: user_namespaces(7), "Interaction of user namespaces and other types of
 * namespaces". One that has an owner other than the host is left to it. It can't be undone: to be the last of its list.
 */
export function ownNetns(netns: string, pin: string, range: IdRange, namespaces: Namespaces): undefined {
  if (!isHosts(netns)) return
  withNamespaces(CLONE_NEWUSER | CLONE_NEWNET, (pid) => {
    const lines = `0 ${range.hostID} ${range.length}\n`
    writeFileSync(`/proc/${pid}/uid_map`, lines)
    writeFileSync(`/proc/${pid}/gid_map`, lines)
    namespaces.inNetns(`/proc/${pid}/ns/net`, () => bringUp('lo'))
    pinNamespace(`/proc/${pid}/ns/user`, pin)
    const owned = cloneMount(`/proc/${pid}/ns/net`)
    try {
      replaceMount(owned, netns)
    } catch (error) {
      unpin(pin)
      throw error
    } finally {
      closeSync(owned)
    }
  })
}

function isHosts(netns: string): boolean {
  const fd = openSync(netns, 'r')
  try {
    const owner = ownerOf(fd)
    try {
      return fstatSync(owner).ino === statSync('/proc/self/ns/user').ino
    } finally {
      closeSync(owner)
    }
  } finally {
    closeSync(fd)
  }
}

function pinNamespace(path: string, pin: string): void {
  mkdirSync(dirname(pin), { recursive: true, mode: 0o711 })
  writeFileSync(pin, '', { flag: 'wx' })
  const namespace = cloneMount(path)
  try {
    attachMount(namespace, pin)
  } catch (error) {
    rmSync(pin)
    throw error
  } finally {
    closeSync(namespace)
  }
}

/** Not there: nothing. */
export function unpin(pin: string): void {
  try {
    unmount(pin)
  } catch (error) {
    // EINVAL: a file that nothing is mounted on, left by a daemon that died.
    if (!['ENOENT', 'EINVAL'].includes((error as { code?: string }).code ?? '')) throw error
  }
  rmSync(pin, { force: true })
}
