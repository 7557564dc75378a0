import type { Command } from 'commander'
import type { Status } from '../admin/protocol.js'
import { BLOCK } from '../ranges/range.js'
import { printAge } from './age.js'
import { type AdminOptions, adminCommand, ask, print, printJSON } from './options.js'
import { printTable } from './table.js'

export function statusCommand(): Command {
  return adminCommand('status')
    .summary('how the daemon is and how many ranges are left')
    .description(
      'Shows whether the daemon runs, is connected to the runtime, and how many blocks of ids are used and free.',
    )
    .action(async (options: AdminOptions) => {
      const status = await ask('status', options)
      if (options.output === 'json') printJSON(status)
      else print(printTable(statusRows(status, new Date())))
    })
}

export function statusRows({ version, pid, since, enabled, nri, ranges }: Status, now: Date): string[][] {
  const { firstID, count, idsPerPod, total, used, avoided, free, pods, limit } = ranges
  const runtime = nri.runtime ?? 'the container runtime'
  const connection = {
    connected: `connected to ${runtime}`,
    disconnected: `not connected to ${runtime}${nri.reason ? `: ${nri.reason}` : ''}`,
    off: 'off',
  }[nri.state]
  const daemon = `version ${version}, pid ${pid}, up ${printAge(now.getTime() - Date.parse(since))}`
  if (!enabled)
    return [
      ['DAEMON', daemon],
      ['RANGES', 'switched off in the config: pods pass untouched'],
    ]
  return [
    ['DAEMON', daemon],
    ['NRI', connection],
    ['BLOCKS', `${used} used, ${avoided} avoided, ${free} free, of ${total}; ${BLOCK} ids each`],
    ['IDS', `${firstID}-${firstID + count - 1}`],
    [
      'PODS',
      `${pods} with a range, of ${limit} at most; ${idsPerPod} ids each, unless a rule says otherwise`,
    ],
  ]
}
