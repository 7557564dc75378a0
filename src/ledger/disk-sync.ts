import { open } from 'node:fs/promises'
import { failure, hasCode } from './fs-error.js'

/**
 * Flushes files and directories to the disk in the background, in the order asked for and one at a time: node has four
 * threads for all file work, and a slow disk must not occupy more than one of them.
 */
export class DiskSync {
  readonly #onProblem: (error: Error) => void
  readonly #pending = new Set<string>()
  #running: Promise<void> | undefined

  constructor(onProblem: (error: Error) => void) {
    this.#onProblem = onProblem
  }

  syncSoon(path: string): void {
    this.#pending.add(path)
    this.#running ??= this.#run()
  }

  /** Resolves when all that was asked for so far is done, also when some of it failed: onProblem has been told. */
  async flush(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    for (const path of this.#pending) {
      this.#pending.delete(path)
      await this.#sync(path)
    }
    this.#running = undefined
  }

  async #sync(path: string): Promise<void> {
    try {
      const handle = await open(path)
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      // Removed while it waited its turn: nothing is left to flush.
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return
      this.#onProblem(failure(`flush ${path} to the disk`, error))
    }
  }
}
