import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from './run.js'

/** Ends what still runs of a bed and removes all that is named after it, however little of that is there. */
export async function sweep(directory: string): Promise<void> {
  await endProcesses(directory)
  await unmountBelow(directory)
  await removeCgroups(basename(directory))
  await removeStrays(directory)
  await rm(directory, { recursive: true, force: true })
}

/** Shims that are no longer needed end by themselves, and then remove their sockets. */
const GRACE_MS = 500
const LIMIT_MS = 2000

/** containerd, its shims, and the daemon, which would go on to serve the next bed's containerd. */
const OWN = /^[^\0]*\/containerd(-shim-runc-v2)?\0|\/dist\/cli\/index\.js\0daemon\0/

interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** These have the bed's directory in their command lines; all else descends from them. */
async function endProcesses(directory: string): Promise<void> {
  for (const start = Date.now(); Date.now() - start < LIMIT_MS; await sleep(20)) {
    const all = await processes()
    const own = all.filter(({ command }) => OWN.test(command) && command.includes(`${directory}/`))
    const ended = new Set(own.map(({ pid }) => pid))
    for (let size = -1; size !== ended.size; ) {
      size = ended.size
      for (const { pid, parent } of all) if (ended.has(parent)) ended.add(pid)
    }
    if (ended.size === 0) return
    if (Date.now() - start > GRACE_MS) for (const pid of ended) kill(pid)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}

async function processes(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map((pid) => readProcess(pid).catch(() => undefined)))
  return found.filter((one) => one !== undefined)
}

async function readProcess(pid: string): Promise<Process | undefined> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8')
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' ? undefined : { pid: Number(pid), parent: Number(parent), command }
}

/** The machine's mount points below a directory, the last mounted first. */
export async function mountsBelow(directory: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  const points = table.split('\n').flatMap((line) => line.split(' ')[4] ?? [])
  return points.filter((point) => point.startsWith(`${directory}/`)).reverse()
}

async function unmountBelow(directory: string): Promise<void> {
  for (const point of await mountsBelow(directory)) await run('umount', ['-l', point])
}

async function removeCgroups(name: string): Promise<void> {
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  const roots = table
    .split('\n')
    .flatMap((line) => (/ - cgroup2? /.test(line) ? (line.split(' ')[4] ?? []) : []))
  for (const root of roots) await removeCgroup(join(root, name))
}

async function removeCgroup(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(path, entry.name))
  await rmdir(path).catch(() => {})
}

/** What killed programs leave of a pod outside of the bed: a shim its socket, libcni the results of its plugins. */
async function removeStrays(directory: string): Promise<void> {
  const bundles = join(directory, 'state/io.containerd.runtime.v2.task/k8s.io')
  const results = '/var/lib/cni/results'
  for (const id of await readdir(bundles).catch(() => [])) {
    for (const name of ['bootstrap.json', 'address']) {
      const text = await readFile(join(bundles, id, name), 'utf8').catch(() => '')
      const socket = /unix:\/\/(\/run\/containerd\/s\/\w+)/.exec(text)?.[1]
      if (socket) await rm(socket, { force: true })
    }
    for (const name of await readdir(results).catch(() => []))
      if (name.includes(id)) await rm(join(results, name), { force: true })
  }
}
