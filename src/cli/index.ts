#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { version } from '../version.js'
import { configCommand } from './config.js'
import { daemonCommand } from './daemon.js'
import { doctorCommand } from './doctor.js'
import { listCommand } from './list.js'
import { policyCommand } from './policy.js'
import { statusCommand } from './status.js'

/** What was asked can't be done: see the sentence on stderr. */
const FAILED = 1
/** The command line itself is wrong, as with the shell's own commands. */
const MISUSED = 2

const program = new Command('nri-userns')
  .description('Gives every pod of a node a range of user and group ids of its own.')
  .version(version)
  .addHelpText('after', '\nExit codes: 0 done, 1 it could not be done, 2 wrong usage.')
  .showHelpAfterError('(see nri-userns --help)')
  .exitOverride()
for (const command of [
  daemonCommand(),
  statusCommand(),
  listCommand(),
  doctorCommand(),
  policyCommand(),
  configCommand(),
]) {
  for (const each of [command, ...command.commands]) each.copyInheritedSettings(program)
  program.addCommand(command)
}

// `nri-userns list | head -1` closes the pipe early, which is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? 0 : FAILED),
)

// The container runtime starts a pre-installed plugin with no arguments and the connection's number in this variable.
const isPlugin = process.argv.length === 2 && process.env.NRI_PLUGIN_SOCKET !== undefined
try {
  await program.parseAsync(isPlugin ? [...process.argv, 'daemon'] : process.argv)
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : MISUSED)
  process.stderr.write(`nri-userns: ${(error as Error).message}\n`)
  // The daemon may have come as far as having sockets and a thread, which would keep a process alive.
  process.exit(FAILED)
}
