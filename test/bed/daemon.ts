import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const STOP_MS = 10_000

/** A program that can be ended and started again; its output goes to the end of a log file. */
export class Daemon {
  readonly #command: readonly [string, ...string[]]
  readonly #env: NodeJS.ProcessEnv
  readonly logPath: string
  #process: ChildProcess | undefined

  constructor(command: readonly [string, ...string[]], env: NodeJS.ProcessEnv, logPath: string) {
    this.#command = command
    this.#env = env
    this.logPath = logPath
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#process?.pid : undefined
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null
  }

  async start(): Promise<void> {
    const [file, ...args] = this.#command
    const log = await open(this.logPath, 'a')
    this.#process = spawn(file, args, { env: this.#env, stdio: ['ignore', log.fd, log.fd] })
    await once(this.#process, 'spawn').finally(() => log.close())
    // A test that fails to stop it must end all the same; the next bed ends what it left.
    this.#process.unref()
  }

  /** Ends it by a signal; one that takes longer than ten seconds is killed. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = this.#process
    if (!ending || !this.isRunning) return
    ending.ref()
    const exited = once(ending, 'exit')
    ending.kill(signal)
    const timeout = new AbortController()
    const late = sleep(STOP_MS, undefined, { signal: timeout.signal }).then(
      () => ending.kill('SIGKILL'),
      () => {},
    )
    await exited
    timeout.abort()
    await late
  }
}
