import { stat } from 'node:fs/promises'
import type { PodEntry, Sandbox } from './entry.js'
import { hasCode } from './fs-error.js'

/**
 * Looks for the bundle directories of these entries' sandboxes. The answer is true for a sandbox that came later, or
 * whose directory can't be looked at: only a bundle that is known to be gone may cost a pod its range.
 */
export async function findBundles(entries: Iterable<PodEntry>): Promise<(sandbox: Sandbox) => boolean> {
  const gone = new Set<string>()
  for (const { sandboxes } of [...entries]) {
    for (const { bundle } of sandboxes.values()) {
      if (bundle !== '' && (await isGone(bundle))) gone.add(bundle)
    }
  }
  return ({ bundle }) => !gone.has(bundle)
}

async function isGone(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (error) {
    return hasCode(error, 'ENOENT', 'ENOTDIR')
  }
}
