import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { explain, messageOf, unless } from '../ledger/fs-error.js'
import { parseGroup, parsePasswd } from '../ranges/accounts.js'
import type { HostFiles, Other } from '../ranges/others.js'
import { printRange } from '../ranges/range.js'
import { parseAnyRecord } from '../ranges/record.js'
import { parseSubids } from '../ranges/subids.js'

/**
 * What stands in these files; one that is missing is empty.
 * Rejects with an Error that names the file when one can't be read: whose ids are whose isn't known then.
 * @param directory where the files lie: `/etc`
 */
export async function readHostFiles(directory: string): Promise<HostFiles> {
  const path = (name: string) => join(directory, name)
  const read = async (name: string) =>
    (await explain(`read ${path(name)}`, unless(readFile(path(name), 'utf8'), 'ENOENT'))) ?? ''
  return {
    subuids: parseSubids(await read('subuid'), path('subuid')),
    subgids: parseSubids(await read('subgid'), path('subgid')),
    passwd: { path: path('passwd'), accounts: parsePasswd(await read('passwd')) },
    group: { path: path('group'), accounts: parseGroup(await read('group')) },
  }
}

/**
 * The ranges of pods with `hostUsers: false`, by the kubelet's records: `<pod uid>/userns` (pkg/kubelet/userns). It
 * writes a pod's before it asks the runtime for the sandbox, and needs no runtime to know them.
 * Rejects with an Error that names the directory when that can't be read; one that is missing has no pods.
 * @param onProblem told of a record that can't be understood, which counts for nothing
 */
export async function readKubeletPods(
  directory: string,
  onProblem: (error: Error) => void,
): Promise<Other[]> {
  const names = await explain(`read ${directory}`, unless(readdir(directory), 'ENOENT'))
  const others: Other[] = []
  for (const name of names ?? []) {
    const path = join(directory, name, 'userns')
    try {
      const text = await unless(readFile(path, 'utf8'), 'ENOENT', 'ENOTDIR')
      // An empty record is none, as to the kubelet.
      if (!text) continue
      const range = parseAnyRecord(text)
      others.push({ owner: `the kubelet's pod ${name}, ids ${printRange(range)} (${path})`, ranges: [range] })
    } catch (error) {
      const reason = `${path}: ${messageOf(error)}. The ids of that pod of the kubelet are not known`
      onProblem(new Error(reason, { cause: error }))
    }
  }
  return others
}
