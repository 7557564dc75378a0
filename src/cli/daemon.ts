import { Command } from 'commander'
import { loadConfig } from '../config/load.js'
import { configOption } from './options.js'

export function daemonCommand(): Command {
  return new Command('daemon')
    .summary('serve this node, in the foreground')
    .description(
      'Serves the OCI runtime wrapper and the admin socket, and is a plugin of the container runtime over NRI. ' +
        'SIGTERM ends it; pods go on, and keep their ranges over a restart.',
    )
    .addOption(configOption())
    .action(async ({ config }: { config?: string }) => {
      const loaded = await loadConfig(config)
      // Only the daemon pays for loading the rooms.
      const { runDaemon } = await import('../daemon.js')
      await runDaemon(loaded)
      // The kernel's thread has nothing to tidy up: whatever it holds open, the kernel closes.
      process.exit(0)
    })
}
