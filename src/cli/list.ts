import type { Command } from 'commander'
import type { PodRow } from '../admin/protocol.js'
import { printAge } from './age.js'
import { type AdminOptions, adminCommand, ask, print, printJSON } from './options.js'
import { printTable } from './table.js'

export function listCommand(): Command {
  return adminCommand('list')
    .summary('the pods and their ranges')
    .description('Lists every pod that has a range, with the first and last host id of it.')
    .option('-q, --quiet', 'only the uids of the pods')
    .action(async (options: AdminOptions & { quiet?: boolean }) => {
      const pods = (await ask('list', options)).toSorted(byName)
      if (options.quiet) for (const { uid } of pods) print(uid)
      else if (options.output === 'json') printJSON(pods)
      else print(printTable([HEADERS, ...pods.map((pod) => podRow(pod, new Date()))]))
    })
}

const HEADERS = ['NAMESPACE', 'POD', 'UID', 'RANGE', 'STATE', 'AGE']

export function podRow({ namespace, pod, uid, firstID, lastID, state, since }: PodRow, now: Date): string[] {
  const age = printAge(now.getTime() - Date.parse(since))
  return [namespace || '-', pod || '-', uid, `${firstID}-${lastID}`, state, age]
}

const byName = (a: PodRow, b: PodRow): number =>
  compare(a.namespace, b.namespace) || compare(a.pod, b.pod) || a.firstID - b.firstID

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
