import { readdir, readFile, readlink } from 'node:fs/promises'

/** A line of user_namespaces(7)'s uid_map: as seen from the host. */
export interface IdMapLine {
  readonly containerID: number
  readonly hostID: number
  readonly length: number
}

const WHOLE = 2 ** 32 - 1

export function parseIdMap(text: string): IdMapLine[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [containerID, hostID, length] = line.trim().split(/\s+/).map(Number)
      return { containerID: containerID!, hostID: hostID!, length: length! }
    })
}

/** The host's own user namespace maps every id to itself. */
export const isHostMap = (map: readonly IdMapLine[]): boolean =>
  map.length === 1 && map[0]!.hostID === 0 && map[0]!.containerID === 0 && map[0]!.length === WHOLE

/** @returns undefined when the process is gone */
export async function idMapOf(pid: number): Promise<IdMapLine[] | undefined> {
  try {
    return parseIdMap(await readFile(`/proc/${pid}/uid_map`, 'utf8'))
  } catch (error) {
    // ESRCH: it ended between open and read.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** What the kernel says of who lives in which range: one process for each user namespace other than the host's. */
export async function liveIdMaps(): Promise<{ pid: number; map: IdMapLine[] }[]> {
  const host = await readlink('/proc/self/ns/user')
  const seen = new Set([host])
  const live: { pid: number; map: IdMapLine[] }[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const userns = await readlink(`/proc/${name}/ns/user`).catch(() => undefined)
    if (userns === undefined || seen.has(userns)) continue
    const map = await idMapOf(Number(name))
    if (!map) continue
    seen.add(userns)
    live.push({ pid: Number(name), map })
  }
  return live
}
