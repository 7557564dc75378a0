import { closeSync, mkdirSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLONE_FS, CLONE_NEWNET, CLONE_NEWNS, MS_PRIVATE, MS_REC } from './flags.js'
import { mount, pivotRoot, setns, unmount, unshare } from './libc.js'

const here = (kind: string) => openSync(`/proc/thread-self/ns/${kind}`, 'r')

/** The namespaces between which the kernel thread moves. setns(2) moves this thread alone, and never the process. */
export class Namespaces {
  readonly #hostMounts: number
  readonly #hostNetns = here('net')
  readonly #scratch: number

  constructor() {
    // setns(2) to a mount namespace asks for a file system context that no other thread shares.
    unshare(CLONE_FS)
    this.#hostMounts = here('mnt')
    this.#scratch = makeScratchNamespace()
    setns(this.#hostMounts, CLONE_NEWNS)
  }

  /**
   * Runs `action` in a mount namespace that holds one empty tmpfs, where layers can be attached to mount an overlay over
   * them: the host never sees these mounts, and they end with the daemon however it ends.
   */
  inScratch<T>(action: () => T): T {
    setns(this.#scratch, CLONE_NEWNS)
    try {
      return action()
    } finally {
      setns(this.#hostMounts, CLONE_NEWNS)
    }
  }

  /** Runs `action` in the network namespace at `path`. @throws KernelError, or ENOENT of the path */
  inNetns<T>(path: string, action: () => T): T {
    const netns = openSync(path, 'r')
    try {
      setns(netns, CLONE_NEWNET)
      try {
        return action()
      } finally {
        setns(this.#hostNetns, CLONE_NEWNET)
      }
    } finally {
      closeSync(netns)
    }
  }
}

function makeScratchNamespace(): number {
  unshare(CLONE_NEWNS)
  const scratch = here('mnt')
  // Nothing done from here on may reach the host, and nothing of the host's may be held busy from here.
  mount('none', '/', null, MS_REC | MS_PRIVATE, null)
  const root = tmpdir()
  mount('tmpfs', root, 'tmpfs', 0, 'size=4m,mode=0700')
  mkdirSync(join(root, 'host'))
  pivotRoot(root, join(root, 'host'))
  unmount('/host')
  return scratch
}
