import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A directory that any id can walk through, gone with all that is mounted below it when the test ends. */
export function scratchDirectory(t: { teardown(action: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'nri-userns-test-'))
  chmodSync(directory, 0o755)
  t.teardown(() => {
    for (const point of mountPointsBelow(directory)) execFileSync('umount', ['-l', point])
    rmSync(directory, { recursive: true })
  })
  return directory
}

/** Deepest first. */
export const mountPointsBelow = (directory: string): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${directory}/`))
    .reverse()

/** Everything about the mounts below a directory; other tests mount elsewhere at the same time. */
export const mountLines = (directory: string): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[1]?.startsWith(`${directory}/`))

/** An overlay as a snapshotter mounts it: <n>/fs layers, topmost first, with upper and work in one directory. */
export function mountOverlay(
  directory: string,
  lowers: readonly string[],
  moreOptions = '',
): { rootfs: string; upper: string } {
  const rootfs = join(directory, 'rootfs')
  const upper = join(directory, 'upper', 'fs')
  const work = join(directory, 'upper', 'work')
  for (const path of [rootfs, upper, work]) mkdirSync(path, { recursive: true })
  const options = `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work}${moreOptions}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, rootfs])
  return { rootfs, upper }
}

/** A netns that lives as long as the test, without a mount. */
export async function newNetns(t: Test) {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL') && exit)
  await once(child.stdout, 'data')
  const netns = `/proc/${child.pid}/ns/net`
  const run = (...command: string[]) =>
    execFileSync('nsenter', [`--net=${netns}`, ...command], { encoding: 'utf8' })
  return { netns, run }
}

/** A process in a user namespace of these ids that lives as long as the test, as any other program makes them. */
export async function newUserns(t: Test, hostID: number, length = 65536): Promise<void> {
  const child = spawn('unshare', ['--user', 'sh', '-c', 'echo ready; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL') && exit)
  await once(child.stdout, 'data')
  writeFileSync(`/proc/${child.pid}/uid_map`, `0 ${hostID} ${length}`)
}
