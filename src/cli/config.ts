import { existsSync, readFileSync } from 'node:fs'
import { Command } from 'commander'
import { ConfigError, DEFAULT_CONFIG_FILE, loadConfig } from '../config/load.js'
import { print } from './options.js'

export function configCommand(): Command {
  return new Command('config')
    .summary('check the config, or print the default one')
    .addCommand(
      new Command('check')
        .summary('check a config before the daemon is started with it')
        .description('Names every fault of the config by line and column. Exit code 1 when there is one.')
        .argument('[file]', `the config (default: ${DEFAULT_CONFIG_FILE})`)
        .action(check),
    )
    .addCommand(
      new Command('default')
        .summary('print the default config, with comments')
        .action(() => void process.stdout.write(readFileSync(DEFAULT_CONFIG))),
    )
}

const DEFAULT_CONFIG = new URL('../../config/config.yaml', import.meta.url)

async function check(file: string | undefined): Promise<void> {
  try {
    await loadConfig(file)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    // The problems are what was asked for, and each begins with the place, as editors understand it.
    print(error.problems.join('\n'))
    process.exitCode = 1
    return
  }
  if (file === undefined && !existsSync(DEFAULT_CONFIG_FILE))
    print(`${DEFAULT_CONFIG_FILE} is not there: the daemon uses the defaults, see nri-userns config default`)
  else print(`${file ?? DEFAULT_CONFIG_FILE} is valid`)
}
