import {
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rmdir,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { DiskSync } from './disk-sync.js'
import { explain, failure, hasCode, unless } from './fs-error.js'
import { checkBundle, checkName, isPathSafe } from './names.js'

/** What one pod's directory holds. */
export interface StoredPod {
  readonly podUID: string
  /** The `userns` file; undefined when there is none. */
  readonly text: string | undefined
  /** When that file was written. */
  readonly since: Date | undefined
  readonly sandboxes: { readonly id: string; readonly bundle: string }[]
}

const RECORD = 'userns'
const TEMPORARY = 'userns.tmp'
const SANDBOXES = 'sandboxes'

/**
 * The ledger's files: `<directory>/pods/<pod uid>/userns`, and beside it `sandboxes/<sandbox id>`, a link to the
 * sandbox's bundle directory: made by one atomic system call, and dangling once the sandbox is gone.
 *
 * Calls for one pod must not overlap. All reject with an Error that names the file, or a name that can't be one.
 */
export class Store {
  readonly #pods: string
  readonly #disk: DiskSync
  readonly #onProblem: (error: Error) => void

  /** @param onProblem told of what failed when nobody waits for it any more */
  constructor(directory: string, onProblem: (error: Error) => void) {
    this.#pods = join(directory, 'pods')
    this.#disk = new DiskSync(onProblem)
    this.#onProblem = onProblem
  }

  recordOf(podUID: string): string {
    return join(this.#pods, podUID, RECORD)
  }

  /** Every pod directory; none when there is no pods directory. Removes the temporary files that a crash left. */
  async readAll(): Promise<StoredPod[]> {
    const names = await explain(`read ${this.#pods}`, unless(readdir(this.#pods), 'ENOENT'))
    const pods: StoredPod[] = []
    for (const name of names ?? []) {
      const pod = await this.#read(name)
      if (pod) pods.push(pod)
    }
    return pods
  }

  /** On return the text is whole in the file, or not at all; on the disk itself it is after flush(). */
  async write(podUID: string, text: string): Promise<void> {
    checkName('pod uid', podUID)
    const directory = join(this.#pods, podUID)
    const temporary = join(directory, TEMPORARY)
    const record = this.recordOf(podUID)
    try {
      await mkdir(join(directory, SANDBOXES), { recursive: true, mode: 0o700 })
      await writeFile(temporary, text, { mode: 0o600 })
      await rename(temporary, record)
    } catch (error) {
      await unlink(temporary).catch(() => {})
      await this.#tidy(directory).catch(() => {})
      throw failure(`write ${record}`, error)
    }
    for (const path of [record, directory, this.#pods]) this.#disk.syncSoon(path)
  }

  /**
   * Removes the record, then the pod's directory as far as its content is ours. Of an unknown pod: nothing.
   * Rejects only while the record is still there.
   */
  async remove(podUID: string): Promise<void> {
    checkName('pod uid', podUID)
    const record = this.recordOf(podUID)
    await explain(`remove ${record}`, unless(unlink(record), 'ENOENT', 'ENOTDIR'))
    const directory = join(this.#pods, podUID)
    await explain(`remove ${directory}`, this.#tidy(directory)).catch(this.#onProblem)
    // Before the range's next record is flushed: else a power failure could leave two records of one range (btrfs).
    this.#disk.syncSoon(directory)
    this.#disk.syncSoon(this.#pods)
  }

  async addSandbox(podUID: string, id: string, bundle: string): Promise<void> {
    checkBundle(bundle)
    const link = this.#linkOf(podUID, id)
    await explain(`write ${link}`, replaceLink(bundle, link))
  }

  /** Of an unknown sandbox: nothing. */
  async removeSandbox(podUID: string, id: string): Promise<void> {
    const link = this.#linkOf(podUID, id)
    await explain(`remove ${link}`, unless(unlink(link), 'ENOENT', 'ENOTDIR'))
  }

  /** Resolves when all that was written or removed so far is on the disk, or onProblem was told that it is not. */
  flush(): Promise<void> {
    return this.#disk.flush()
  }

  #linkOf(podUID: string, id: string): string {
    checkName('pod uid', podUID)
    checkName('sandbox id', id)
    return join(this.#pods, podUID, SANDBOXES, id)
  }

  async #read(name: string): Promise<StoredPod | undefined> {
    const directory = join(this.#pods, name)
    const record = this.recordOf(name)
    const content = await explain(`read ${directory}`, unless(readdir(directory), 'ENOTDIR'))
    if (content === undefined) return undefined
    const hasRecord = content.includes(RECORD)
    if (!hasRecord && !isPathSafe(name)) return undefined // lost+found, for one
    checkName(`${record}: pod uid`, name)
    const temporary = join(directory, TEMPORARY)
    if (content.includes(TEMPORARY)) await explain(`remove ${temporary}`, unlink(temporary))
    return {
      podUID: name,
      text: hasRecord ? await explain(`read ${record}`, readFile(record, 'utf8')) : undefined,
      since: hasRecord ? (await explain(`read ${record}`, stat(record))).mtime : undefined,
      sandboxes: await this.#readSandboxes(name),
    }
  }

  async #readSandboxes(podUID: string): Promise<StoredPod['sandboxes']> {
    const directory = join(this.#pods, podUID, SANDBOXES)
    const ids = await explain(`read ${directory}`, unless(readdir(directory), 'ENOENT'))
    const sandboxes: { id: string; bundle: string }[] = []
    for (const id of ids ?? []) {
      const link = this.#linkOf(podUID, id)
      sandboxes.push({ id, bundle: await explain(`read ${link}`, readlink(link)) })
    }
    return sandboxes
  }

  async #tidy(directory: string): Promise<void> {
    const sandboxes = join(directory, SANDBOXES)
    const links = (await unless(readdir(sandboxes, { withFileTypes: true }), 'ENOENT', 'ENOTDIR')) ?? []
    for (const link of links) {
      if (link.isSymbolicLink()) await unless(unlink(join(sandboxes, link.name)), 'ENOENT')
    }
    for (const path of [sandboxes, directory]) await unless(rmdir(path), 'ENOENT', 'ENOTDIR', 'ENOTEMPTY')
  }
}

async function replaceLink(target: string, link: string): Promise<void> {
  try {
    await symlink(target, link)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      await mkdir(join(link, '..'), { recursive: true, mode: 0o700 })
    } else if (hasCode(error, 'EEXIST')) {
      if ((await readlink(link)) === target) return
      await unlink(link)
    } else {
      throw error
    }
    await symlink(target, link)
  }
}
