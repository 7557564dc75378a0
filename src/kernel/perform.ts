import { chmodSync, chownSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type IdRange, printRange } from '../ranges/range.js'
import { Namespaces } from './namespaces.js'
import { ownNetns, unpin } from './netns.js'
import { mapRootfs } from './rootfs.js'
import { mountSysfs, unmountSysfs } from './sysfs.js'
import type { Undo } from './undo.js'
import { LayerMappings } from './userns.js'
import { probeVolume } from './volume.js'
import type { IdmapSupport, Volume, Work } from './work.js'

/** Does work on the thread that it is called on, which must not be the daemon's main one: it changes namespaces. */
export class Performer {
  readonly #namespaces = new Namespaces()
  readonly #mappings = new Map<string, LayerMappings>()

  /** Does all, or nothing. @throws Error with a sentence, after what was done has been undone in reverse */
  perform(works: readonly Work[]): void {
    const undos: Undo[] = []
    try {
      for (const work of works) {
        const undo = this.#do(work)
        if (undo) undos.push(undo)
      }
    } catch (error) {
      throw undoAll(undos, error as Error)
    } finally {
      for (const { settle } of undos) settle?.()
    }
  }

  /** @throws Error when there is no such source */
  probe(volumes: readonly Volume[], range: IdRange): IdmapSupport[] {
    const { lower } = this.#mappingsOf(range)
    return volumes.map((volume) => probeVolume(volume, lower))
  }

  #do(work: Work): Undo | undefined {
    switch (work.kind) {
      case 'openBundle':
        return openBundle(work.bundle, work.gid)
      case 'mapRootfs':
        return mapRootfs(work.rootfs, this.#mappingsOf(work.range), this.#namespaces)
      case 'mountSysfs':
        return mountSysfs(work.netns, work.target, this.#namespaces)
      case 'writeSysctls':
        return this.#namespaces.inNetns(work.netns, () => writeSysctls(work.sysctls))
      case 'replaceFile':
        return replaceFile(work.path, work.text)
      case 'ownNetns':
        return ownNetns(work.netns, work.pin, work.range, this.#namespaces)
      case 'unpin':
        unpin(work.pin)
        return undefined
      case 'unmountSysfs':
        unmountSysfs(work.target)
        return undefined
      case 'forgetRange':
        this.#mappings.get(printRange(work.range))?.close()
        this.#mappings.delete(printRange(work.range))
        return undefined
    }
  }

  /** Kept for as long as the range has an owner: each container of the pod needs them. */
  #mappingsOf(range: IdRange): LayerMappings {
    const key = printRange(range)
    let mappings = this.#mappings.get(key)
    if (!mappings) {
      mappings = new LayerMappings(range)
      this.#mappings.set(key, mappings)
    }
    return mappings
  }
}

function undoAll(undos: Undo[], cause: Error): Error {
  const left: string[] = []
  for (const undo of undos.reverse()) {
    try {
      undo()
    } catch (error) {
      left.push((error as Error).message)
    }
  }
  return left.length === 0 ? cause : new Error(`${cause.message}; undoing it failed too: ${left.join('; ')}`)
}

function openBundle(bundle: string, gid: number): Undo {
  const before = statSync(bundle)
  const undo = () => {
    chownSync(bundle, before.uid, before.gid)
    chmodSync(bundle, before.mode & 0o7777)
  }
  chownSync(bundle, before.uid, gid)
  try {
    chmodSync(bundle, 0o710)
  } catch (error) {
    undo()
    throw error
  }
  return undo
}

/** In the netns whose sysctls are meant: /proc/sys/net shows that of the thread that opens it. */
function writeSysctls(sysctls: Readonly<Record<string, string>>): Undo {
  const written: { path: string; before: string }[] = []
  const undo = () => {
    for (const { path, before } of written.reverse()) writeFileSync(path, before)
  }
  for (const [name, value] of Object.entries(sysctls)) {
    const path = `/proc/sys/${name.replaceAll('.', '/')}`
    try {
      const before = readFileSync(path, 'utf8')
      writeFileSync(path, value)
      written.push({ path, before })
    } catch (error) {
      undo()
      throw new Error(
        `the sysctl ${name} can't be set to "${value}" in the pod's netns: ${(error as NodeJS.ErrnoException).code}`,
      )
    }
  }
  return undo
}

function replaceFile(path: string, text: string): undefined {
  const { uid, gid, mode } = statSync(path)
  const temporary = `${path}.nri-userns`
  try {
    writeFileSync(temporary, text, { mode: mode & 0o7777 })
    chownSync(temporary, uid, gid)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
