import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { IdRange } from '../ranges/range.js'
import type { IdmapSupport, Volume, Work } from './work.js'

export type Question =
  | { readonly works: readonly Work[] }
  | { readonly volumes: readonly Volume[]; readonly range: IdRange }

export interface Request {
  readonly id: number
  readonly question: Question
}

export interface Reply {
  readonly id: number
  readonly error?: string
  readonly support?: IdmapSupport[]
}

interface Waiting {
  resolve(reply: Reply): void
  reject(error: Error): void
}

/** The one thread on which mounts are made and namespaces entered, so that neither ever stops or moves the daemon's own. */
export class KernelThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #lastID = 0

  private constructor(worker: Worker, onDeath: (error: Error) => void) {
    this.#worker = worker
    worker.on('message', (reply: Reply) => this.#settle(reply))
    worker.on('error', (error: Error) => {
      const reason = new Error(`the kernel thread has died: ${error.message}`)
      for (const { reject } of this.#waiting.values()) reject(reason)
      this.#waiting.clear()
      onDeath(reason)
    })
  }

  /** @throws Error with a sentence when this process may not do the work, for want of capabilities for instance */
  static async start(onDeath: (error: Error) => void): Promise<KernelThread> {
    // Descriptors come from libc, behind Node's back.
    const worker = new Worker(new URL('./worker.js', import.meta.url), { trackUnmanagedFds: false })
    await once(worker, 'message').catch((error: Error) => {
      throw new Error(
        `the kernel thread can't start: ${error.message}; the daemon must run as root, in the host's namespaces`,
      )
    })
    return new KernelThread(worker, onDeath)
  }

  /** Does all of it in order, or none. @throws Error with the reason as a sentence */
  async perform(works: readonly Work[]): Promise<void> {
    await this.#ask({ works })
  }

  /** What of each volume can be mapped. @throws Error with the reason as a sentence when there is no such source */
  async probe(volumes: readonly Volume[], range: IdRange): Promise<IdmapSupport[]> {
    return (await this.#ask({ volumes, range })).support ?? []
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }

  #ask(question: Question): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastID
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, question } satisfies Request)
    })
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (reply.error === undefined) waiting?.resolve(reply)
    else waiting?.reject(new Error(reply.error))
  }
}
