import { changesOf } from './config/reload.js'
import type { Config } from './config/schema.js'
import type { LeveledLogger } from './observe/log.js'

/** The config of a running daemon: a value that is replaced as a whole, or not at all. */
export class LiveConfig {
  readonly #read: () => Promise<Config>
  readonly #log: LeveledLogger
  #config: Config
  #turn = Promise.resolve()

  /** @param read reads the file again; rejects with a sentence when it can't be used */
  constructor(config: Config, read: () => Promise<Config>, log: LeveledLogger) {
    this.#config = config
    this.#read = read
    this.#log = log
  }

  get current(): Config {
    return this.#config
  }

  /** One at a time, so that the file as it was read last is what holds. Never rejects: the log tells what came of it. */
  reload(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#reload())
    return this.#turn
  }

  async #reload(): Promise<void> {
    try {
      const config = await this.#read()
      const changed = changesOf(this.#config, config)
      this.#config = config
      // Whatever the level was and is now: who sent the signal looks for this line.
      this.#log.setLevel('info')
      this.#log.info('config reloaded', { changed: changed.join(', ') || 'nothing' })
      this.#log.setLevel(config.log.level)
    } catch (error) {
      this.#log.error('config not reloaded', {
        reason: (error as Error).message,
        effect: 'the daemon goes on with the config that it has',
      })
    }
  }
}
