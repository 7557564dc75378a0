import koffi from 'koffi'
import { CLONE_VM, MNT_DETACH } from './flags.js'

/** A system call that failed, as a sentence: what was tried, on what, and the kernel's reason. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  constructor(
    readonly what: string,
    readonly code: string,
  ) {
    super(`${what}: ${code}`)
  }
}

// Numbers from 424 up are the same on every architecture; setns is not, see the kernel's syscall tables.
const SYS = {
  setns: process.arch === 'arm64' ? 268 : 308,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  mount_setattr: 442,
}

const OPEN_TREE_CLONE = 1
const OPEN_TREE_CLOEXEC = 0o2000000
const MOVE_MOUNT_F_EMPTY_PATH = 4
const MOVE_MOUNT_BENEATH = 0x200
const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const AT_RECURSIVE = 0x8000
const FSCONFIG_CMD_CREATE = 6
const FSMOUNT_CLOEXEC = 1
const MOUNT_ATTR_IDMAP = 0x100000
const WALL = 0x40000000
const NS_GET_USERNS = 0xb701
const AF_INET = 2
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const SIOCGIFFLAGS = 0x8913
const SIOCSIFFLAGS = 0x8914
const IFF_UP = 1
const IFNAMSIZ = 16
const IFREQ_BYTES = 40

const libc = koffi.load(null)
const syscall = (...parameters: string[]) => libc.func('syscall', 'long', ['long', ...parameters])

const calls = {
  setns: syscall('int', 'int'),
  openTree: syscall('int', 'str', 'uint'),
  moveMount: syscall('int', 'str', 'int', 'str', 'uint'),
  fsopen: syscall('str', 'uint'),
  fsconfig: syscall('int', 'uint', 'void *', 'void *', 'int'),
  fsmount: syscall('int', 'uint', 'uint'),
  mountSetattr: syscall('int', 'str', 'uint', 'void *', 'size_t'),
  mount: libc.func('int mount(str source, str target, str type, ulong flags, str data)'),
  umount: libc.func('int umount2(str target, int flags)'),
  unshare: libc.func('int unshare(int flags)'),
  pivotRoot: libc.func('syscall', 'long', ['long', 'str', 'str']),
  mmap: libc.func('void *mmap(intptr_t at, size_t length, int protection, int flags, int fd, long offset)'),
  munmap: libc.func('int munmap(void *at, size_t length)'),
  clone: libc.func('int clone(void *fn, intptr_t stack, int flags, intptr_t argument)'),
  waitpid: libc.func('int waitpid(int pid, intptr_t status, int options)'),
  ioctl: libc.func('int ioctl(int fd, ulong request, _Inout_ uint8_t *argument)'),
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  close: libc.func('int close(int fd)'),
  dlsym: libc.func('void *dlsym(intptr_t handle, str name)'),
}

function checked(result: number, what: () => string): number {
  if (result >= 0) return result
  const errno = koffi.errno()
  const code = Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`
  throw new KernelError(what(), code)
}

/** Moves the calling thread alone into a namespace; for mount namespaces the thread must have left CLONE_FS. */
export function setns(fd: number, kind: number): void {
  checked(calls.setns(SYS.setns, fd, kind), () => `a namespace (kind 0x${kind.toString(16)}) can't be joined`)
}

export function unshare(flags: number): void {
  checked(calls.unshare(flags), () => `namespaces (0x${flags.toString(16)}) can't be left`)
}

/**
 * A detached copy of the mount at `path`; it is gone when the descriptor is closed.
 * @param tree with the mounts below it, or this mount alone
 */
export function cloneMount(path: string, tree = false): number {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (tree ? AT_RECURSIVE : 0)
  return checked(
    calls.openTree(SYS.open_tree, AT_FDCWD, path, flags),
    () => `${path} can't be cloned as a mount`,
  )
}

/**
 * Maps a detached mount's ids by those of a user namespace: mount_setattr(2), MOUNT_ATTR_IDMAP.
 * @param tree with the mounts below it: all, or none when one can't be mapped
 */
export function idmapMount(mount: number, userns: number, path: string, tree = false): void {
  const flags = AT_EMPTY_PATH | (tree ? AT_RECURSIVE : 0)
  const attributes = new BigUint64Array([BigInt(MOUNT_ATTR_IDMAP), 0n, 0n, BigInt(userns)])
  const bytes = attributes.byteLength
  checked(
    calls.mountSetattr(SYS.mount_setattr, mount, '', flags, attributes, bytes),
    () => `the ids of ${path} can't be mapped (idmapped mount)`,
  )
}

export function attachMount(mount: number, target: string): void {
  checked(
    calls.moveMount(SYS.move_mount, mount, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH),
    () => `a mount can't be put at ${target}`,
  )
}

/** Exchanges the topmost mount at `target` for another. */
export function replaceMount(mount: number, target: string): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_BENEATH
  // Beneath it first, so that whoever opens the path meanwhile finds one of the two.
  if (calls.moveMount(SYS.move_mount, mount, '', AT_FDCWD, target, flags) === 0) {
    unmount(target)
  } else {
    // A kernel before 6.5 has no such flag.
    unmount(target)
    attachMount(mount, target)
  }
}

/** ioctl_ns(2): a descriptor of the user namespace that owns the namespace. */
export function ownerOf(namespace: number): number {
  return checked(calls.ioctl(namespace, NS_GET_USERNS, null), () => "a namespace's owner can't be told")
}

/** Brings a link of the calling thread's netns up: netdevice(7). */
export function bringUp(link: string): void {
  const socket = checked(calls.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), () => "a socket can't be made")
  try {
    const request = Buffer.alloc(IFREQ_BYTES)
    request.write(link)
    checked(calls.ioctl(socket, SIOCGIFFLAGS, request), () => `the link ${link} can't be looked at`)
    request.writeInt16LE(request.readInt16LE(IFNAMSIZ) | IFF_UP, IFNAMSIZ)
    checked(calls.ioctl(socket, SIOCSIFFLAGS, request), () => `the link ${link} can't be brought up`)
  } finally {
    calls.close(socket)
  }
}

/** A detached, new instance of a file system that takes no options. @param attributes MOUNT_ATTR_* of fsmount(2) */
export function newMount(type: string, attributes: number, close: (fd: number) => void): number {
  const context = checked(calls.fsopen(SYS.fsopen, type, 1), () => `a ${type} can't be opened`)
  try {
    checked(
      calls.fsconfig(SYS.fsconfig, context, FSCONFIG_CMD_CREATE, null, null, 0),
      () => `a ${type} can't be made`,
    )
    return checked(
      calls.fsmount(SYS.fsmount, context, FSMOUNT_CLOEXEC, attributes),
      () => `a ${type} can't be mounted`,
    )
  } finally {
    close(context)
  }
}

export function mount(
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
): void {
  checked(
    calls.mount(source, target, type, flags, data),
    () => `${type ?? 'a mount'} can't be mounted at ${target}`,
  )
}

export function unmount(target: string): void {
  checked(calls.umount(target, MNT_DETACH), () => `${target} can't be unmounted`)
}

export function pivotRoot(newRoot: string, putOld: string): void {
  const number = process.arch === 'arm64' ? 41 : 155
  checked(calls.pivotRoot(number, newRoot, putOld), () => `${newRoot} can't become the root directory`)
}

const PROT_READ_WRITE = 3
const MAP_PRIVATE_ANONYMOUS = 0x22
const STACK_BYTES = 16384

/**
 * Runs `inspect` while a process of its own waits in new namespaces, then ends that process.
 * @param kinds CLONE_NEW*; with CLONE_NEWUSER among them, the new user namespace owns the others
 *
 * clone(2) starts the child in libc's pause() on a stack of its own, so that no code of this multi-threaded process runs in it;
 * CLONE_VM spares the copy of its page tables. unshare(2) could not serve: it refuses threads (EINVAL).
 */
export function withNamespaces<T>(kinds: number, inspect: (pid: number) => T): T {
  const pause = calls.dlsym(0, 'pause')
  const stack = calls.mmap(0, STACK_BYTES, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0)
  const top = koffi.address(stack) + BigInt(STACK_BYTES - 16)
  try {
    const pid = checked(
      calls.clone(pause, top, kinds | CLONE_VM, 0),
      () => "a user namespace can't be made (see /proc/sys/user/max_user_namespaces and max_net_namespaces)",
    )
    try {
      return inspect(pid)
    } finally {
      process.kill(pid, 'SIGKILL')
      checked(calls.waitpid(pid, 0, WALL), () => `process ${pid} can't be waited for`)
    }
  } finally {
    calls.munmap(stack, STACK_BYTES)
  }
}
