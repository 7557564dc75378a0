import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PrivateApt } from './apt.js'
import { waitForLock } from './lock.js'
import { run } from './run.js'

export type ContainerdVersion = '1.7' | '2.1'

/** Paths of unpacked programs, by what they are for. */
export interface Packages {
  readonly containerdBin: Readonly<Record<ContainerdVersion, string>>
  readonly cniBin: string
  readonly runc: string
  readonly busybox: string
  /** What was found in the archive: versions by `suite/package`. */
  readonly versions: Readonly<Record<string, string>>
}

export type Progress = (line: string) => void

/** An upstream version asks for that one, or else for the newest; null takes what the suite has. */
const WANTED: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
  sid: {
    containerd: '2.1.9',
    runc: '1.3.6',
    'containernetworking-plugins': '1.9.1',
    'busybox-static': null,
    libc6: null,
    libseccomp2: null,
  },
  trixie: { containerd: '1.7.24' },
}

/** Where the bed keeps what it downloads and builds: $NRI_USERNS_CACHE or .cache/bed in the checkout. */
export function cacheDirectory(): string {
  return process.env.NRI_USERNS_CACHE ?? join(checkout(), '.cache', 'bed')
}

export function checkout(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return directory
}

/** Downloads and unpacks the bed's programs, once; later calls only read a stamp. */
export async function preparePackages(progress: Progress = () => {}): Promise<Packages> {
  const directory = join(cacheDirectory(), 'packages')
  const ready = await readStamp(directory)
  if (ready) return ready
  await mkdir(cacheDirectory(), { recursive: true })
  const lock = await waitForLock(`packages ${directory}`, () =>
    progress('another process downloads packages'),
  )
  try {
    return (await readStamp(directory)) ?? (await unpackAll(directory, progress))
  } finally {
    await lock.release()
  }
}

interface Stamp {
  readonly wanted: unknown
  readonly packages: Packages
}

async function readStamp(directory: string): Promise<Packages | undefined> {
  const text = await readFile(join(directory, 'stamp.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { wanted, packages } = JSON.parse(text) as Stamp
  const same = JSON.stringify(wanted) === JSON.stringify(WANTED) && packages.runc.startsWith(directory)
  return same ? packages : undefined
}

async function unpackAll(directory: string, progress: Progress): Promise<Packages> {
  const part = `${directory}.part`
  await rm(part, { recursive: true, force: true })
  progress(`reading the package lists of Debian ${Object.keys(WANTED).join(' and ')}`)
  const apt = new PrivateApt(join(part, 'apt'))
  await apt.update(Object.keys(WANTED))

  const versions: Record<string, string> = {}
  for (const [suite, wanted] of Object.entries(WANTED)) {
    for (const [name, version] of Object.entries(wanted)) {
      const found = choose(await apt.versions(name, suite), version)
      if (!found) throw new Error(`Debian ${suite} has no package ${name}: the test bed can't be set up`)
      if (version && !found.startsWith(version))
        progress(`${suite} has no ${name} ${version} now: ${found} it is`)
      versions[`${suite}/${name}`] = found
    }
    const debs = join(part, 'debs', suite)
    await mkdir(debs, { recursive: true })
    const names = Object.keys(wanted).map((name) => `${name}=${versions[`${suite}/${name}`]}`)
    progress(`downloading from ${suite}: ${names.join(', ')}`)
    await apt.download(names, debs)
    for (const deb of await readdir(debs)) await run('dpkg', ['-x', join(debs, deb), join(part, suite)])
  }

  await bindToOwnLibc(join(part, 'sid'), join(directory, 'sid'))
  const packages: Packages = {
    containerdBin: { '1.7': join(directory, 'trixie/usr/bin'), '2.1': join(directory, 'sid/usr/bin') },
    cniBin: join(directory, 'sid/usr/lib/cni'),
    runc: join(directory, 'sid/usr/sbin/runc'),
    busybox: join(directory, 'sid/usr/bin/busybox'),
    versions,
  }
  const stamp: Stamp = { wanted: WANTED, packages }
  await rm(join(part, 'apt'), { recursive: true })
  await rm(join(part, 'debs'), { recursive: true })
  await writeFile(join(part, 'stamp.json'), JSON.stringify(stamp, null, 2))
  await rm(directory, { recursive: true, force: true })
  await rename(part, directory)
  return packages
}

/** The exact version, else the newest of its minor, else the newest there is. */
function choose(newestFirst: readonly string[], wanted: string | null): string | undefined {
  const startingWith = (prefix: string) => newestFirst.find((version) => version.startsWith(prefix))
  if (!wanted) return newestFirst[0]
  return (
    startingWith(`${wanted}+`) ??
    startingWith(`${wanted}~`) ??
    startingWith(wanted.replace(/\d+$/, '')) ??
    newestFirst[0]
  )
}

/** sid's runc needs a newer libc than the machine's: it gets sid's loader and libraries, unpacked beside it. */
async function bindToOwnLibc(part: string, final: string): Promise<void> {
  const libraries = (await readdir(join(part, 'usr/lib'))).find((name) => name.endsWith('-linux-gnu'))
  if (!libraries) throw new Error(`libc6 of Debian sid brought no libraries to ${part}/usr/lib`)
  const loader = (await readdir(join(part, 'usr/lib', libraries))).find((name) => name.startsWith('ld-linux'))
  if (!loader) throw new Error(`libc6 of Debian sid brought no loader to ${part}/usr/lib/${libraries}`)
  const path = join(final, 'usr/lib', libraries)
  await run('patchelf', [
    '--set-interpreter',
    join(path, loader),
    '--set-rpath',
    path,
    join(part, 'usr/sbin/runc'),
  ])
}
