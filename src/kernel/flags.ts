// Of clone(2), unshare(2) and setns(2).
export const CLONE_VM = 0x100
export const CLONE_FS = 0x200
export const CLONE_NEWNS = 0x20000
export const CLONE_NEWUSER = 0x10000000
export const CLONE_NEWNET = 0x40000000

// Of mount(2).
export const MS_RDONLY = 1
export const MS_NOSUID = 2
export const MS_NODEV = 4
export const MS_NOEXEC = 8
export const MS_NOATIME = 1024
export const MS_NODIRATIME = 2048
export const MS_REC = 16384
export const MS_PRIVATE = 1 << 18
export const MS_RELATIME = 1 << 21
export const MNT_DETACH = 2
