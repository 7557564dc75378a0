import { readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import {
  type ContainerdVersion,
  HANDLER,
  type LogEvent,
  type Node,
  type NodeOptions,
  type Pod,
  startNode,
} from '../bed/index.js'

/** Runs tests on a node of its own, once for each containerd. */
export function onContainerd(
  name: string,
  test: (t: Test, node: Node) => Promise<void>,
  options: Omit<NodeOptions, 'version'> = {},
): void {
  for (const version of ['2.1', '1.7'] satisfies ContainerdVersion[])
    t.test(`${name}, on containerd ${version}`, async (t) => {
      const node = await startNode({ ...options, version })
      t.teardown(() => node.stop())
      await test(t, node)
    })
}

export interface RunningPod extends Pod {
  /** Ids of containers by name. */
  readonly containers: Readonly<Record<string, string>>
}

export const SLEEP = ['/bin/sleep', '1000']

/** Runs a pod of our handler with containers that do nothing. */
export async function runPod(
  { containerd: { cri } }: Node,
  name: string,
  containers: readonly string[] = ['main'],
  options: { uid?: string; attempt?: number } = {},
): Promise<RunningPod> {
  const pod = await cri.runPod({ name, handler: HANDLER, ...options })
  const ids: Record<string, string> = {}
  for (const container of containers)
    ids[container] = await cri.runContainer(pod, {
      name: container,
      attempt: options.attempt ?? 0,
      command: SLEEP,
    })
  return { ...pod, containers: ids }
}

export const firstIDOf = async (node: Node, { uid }: Pod): Promise<number | undefined> =>
  (await node.list()).find((row) => row.uid === uid)?.firstID

/** The lines of /proc/PID/uid_map, as numbers. */
export async function idMap(pid: number, file: 'uid_map' | 'gid_map' = 'uid_map'): Promise<number[][]> {
  const text = await readFile(`/proc/${pid}/${file}`, 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
}

/** Real, effective, saved and file system id of a process, as the host has them. */
export async function hostIDs(pid: number, kind: 'Uid' | 'Gid' = 'Uid'): Promise<number[]> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return new RegExp(`^${kind}:\\s+(.*)$`, 'm').exec(status)![1]!.split(/\s+/).map(Number)
}

/** The host's processes below others, and those themselves. */
export async function processesBelow(roots: readonly number[]): Promise<number[]> {
  const found = new Set(roots)
  const parents = new Map<number, number>()
  for (const name of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
  }
  for (let size = -1; size !== found.size; ) {
    size = found.size
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}

/** The mount points of this machine, in order of their paths, less those of tests that run at the same time. */
export async function mountPoints({ containerd }: Node): Promise<string[]> {
  const isOthers = (point: string) =>
    point.startsWith(`${tmpdir()}/nri-userns-`) && !point.startsWith(`${containerd.directory}/`)
  const table = await readFile('/proc/self/mountinfo', 'utf8')
  return table
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .filter((point) => !isOthers(point))
    .sort()
}

export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !(await condition().catch(() => false)); await sleep(20))
    if (Date.now() > deadline) throw new Error('waited for 20 s in vain')
}

/** Takes a reload, or a restart, to be heard of. */
export async function changeConfig(
  node: Node,
  change: (config: Record<string, unknown>) => void,
): Promise<void> {
  const config = parse(await readFile(node.configPath, 'utf8')) as Record<string, unknown>
  change(config)
  await writeFile(node.configPath, stringify(config))
}

/** Has the daemon read its config again; returns the event that tells what came of it. */
export async function reload(node: Node): Promise<LogEvent> {
  const answers = async () =>
    (await node.events()).filter(({ msg }) => msg === 'config reloaded' || msg === 'config not reloaded')
  const before = (await answers()).length
  process.kill(node.daemon.pid!, 'SIGHUP')
  await until(async () => (await answers()).length > before)
  return (await answers()).at(-1)!
}
