import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { DEFAULT_CONFIG_FILE, loadConfig } from '../config/load.js'
import { configOption } from './options.js'

export function daemonCommand(): Command {
  return new Command('daemon')
    .summary('serve this node, in the foreground')
    .description(
      'Serves the OCI runtime wrapper and the admin socket, and is a plugin of the container runtime over NRI. ' +
        'SIGTERM ends it; pods go on, and keep their ranges over a restart. At SIGHUP it reads its config again: policy ' +
        'and log.level may have changed.',
    )
    .addOption(configOption())
    .action(async ({ config }: { config?: string }) => {
      // A default file that is there now is missed when it's gone at SIGHUP: its policy must not be dropped for that.
      const path = config ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : undefined)
      const loaded = await loadConfig(path)
      // Only the daemon pays for loading the rooms.
      const { runDaemon } = await import('../daemon.js')
      await runDaemon(loaded, () => loadConfig(path))
      // The kernel's thread has nothing to tidy up: whatever it holds open, the kernel closes.
      process.exit(0)
    })
}
