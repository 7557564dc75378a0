import { Command, Option } from 'commander'
import { loadConfig } from '../config/load.js'
import type { Finding } from '../doctor/findings.js'
import { configOption, print, printJSON } from './options.js'
import { printTable } from './table.js'

const WRAPPER = '/usr/local/lib/nri-userns/nri-userns-runtime'

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('what of this node works, and how to mend the rest')
    .description(
      'Looks at kernel, file system, OCI runtime, NRI and daemon. Exit code 1 when there is a fault.',
    )
    .addOption(
      new Option('-o, --output <format>', 'how the answer is printed')
        .choices(['table', 'json'])
        .default('table'),
    )
    .option('--wrapper <path>', "the OCI runtime wrapper that containerd's config names", WRAPPER)
    .addOption(configOption())
    .action(async ({ output, wrapper, config }: { output: string; wrapper: string; config?: string }) => {
      const [{ probeNode }, { findings }] = await Promise.all([
        import('../doctor/probe.js'),
        import('../doctor/findings.js'),
      ])
      const found = findings(await probeNode(await loadConfig(config), wrapper))
      if (output === 'json') printJSON(found)
      else print(printTable([HEADERS, ...found.map(findingRow)]))
      if (found.some(({ state }) => state === 'fault')) process.exitCode = 1
    })
}

const HEADERS = ['CHECK', 'STATE', 'DETAIL', 'MEND']

export const findingRow = ({ check, state, detail, mend }: Finding): string[] => [
  check,
  state.toUpperCase(),
  detail,
  mend ?? '-',
]
