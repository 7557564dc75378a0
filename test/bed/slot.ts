import { readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Lock, tryLock } from './lock.js'
import { sweep } from './sweep.js'

/** What keeps beds that run at the same time apart: a number, and all that is named after it. */
export interface Slot {
  readonly number: number
  /** Names the directory, the network, and the cgroup that is the parent of all the bed's pods. */
  readonly name: string
  readonly directory: string
  readonly subnet: string
  /** Removes everything that is left of the bed. */
  release(): Promise<void>
}

const NAME = 'nri-userns-bed-'
const SLOTS = 256

/** Takes a free slot; what earlier beds left behind, whose processes are gone, is cleaned away. */
export async function takeSlot(): Promise<Slot> {
  await checkReachable(tmpdir())
  await sweepLeftovers()
  await keepForwarding()
  for (let number = 0; number < SLOTS; number++) {
    const lock = await tryLock(`bed-${number}`)
    if (lock) return slot(number, lock)
  }
  throw new Error(`${SLOTS} test beds run already`)
}

function slot(number: number, lock: Lock): Slot {
  const name = `${NAME}${number}`
  const directory = join(tmpdir(), name)
  const release = async () => {
    await sweep(directory)
    await lock.release()
    await removeSharedDirectories()
  }
  return { number, name, directory, subnet: `10.244.${number}.0/24`, release }
}

async function sweepLeftovers(): Promise<void> {
  for (const number of await numbersInUse()) {
    const lock = await tryLock(`bed-${number}`)
    if (!lock) continue
    await sweep(join(tmpdir(), `${NAME}${number}`))
    await lock.release()
  }
}

async function numbersInUse(): Promise<number[]> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(NAME))
  return names.map((name) => Number(name.slice(NAME.length))).filter(Number.isInteger)
}

const FORWARDING = '/proc/sys/net/ipv4/ip_forward'
const keptForwarding = () => join(tmpdir(), `${NAME}ip-forward`)

/** The CNI plugin that makes pods' networks turns the machine's forwarding on: what it was is kept by the first bed. */
async function keepForwarding(): Promise<void> {
  const before = await readFile(FORWARDING, 'utf8')
  await writeFile(keptForwarding(), before, { flag: 'wx' }).catch(() => {})
}

async function restoreForwarding(): Promise<void> {
  const before = await readFile(keptForwarding(), 'utf8').catch(() => undefined)
  if (before === undefined) return
  await writeFile(FORWARDING, before)
  await rm(keptForwarding())
}

/** containerd's shim and libcni make these, whatever the configuration; they go, if empty, with the last bed. */
async function removeSharedDirectories(): Promise<void> {
  if ((await numbersInUse()).length > 0) return
  await restoreForwarding()
  for (const path of ['/run/containerd/s', '/run/containerd', '/var/lib/cni/results', '/var/lib/cni'])
    await rmdir(path).catch(() => {})
}

/** Pods' processes reach their files with ids that are nobody's on the host. */
async function checkReachable(directory: string): Promise<void> {
  for (let path = directory; path !== '/'; path = dirname(path))
    if (((await stat(path)).mode & 0o001) === 0)
      throw new Error(
        `the test bed can't use ${directory}: pods' ids can't pass ${path}. Set TMPDIR to another directory`,
      )
}
