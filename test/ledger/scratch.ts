import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Ledger, type LedgerOptions } from '../../src/ledger/ledger.js'
import { BLOCK, type Span } from '../../src/ranges/range.js'
import { printRecord } from '../../src/ranges/record.js'

/** What a tap test offers for cleaning up. */
interface Teardown {
  teardown(end: () => void): void
}

export const spanOf = (ranges: number): Span => ({
  firstID: BLOCK,
  count: ranges * BLOCK,
  idsPerPod: BLOCK,
})

/** The span's n-th range, from 0. */
export const nth = (n: number) => ({ hostID: (n + 1) * BLOCK, length: BLOCK })

export const recordOf = (n: number) => printRecord(nth(n))

export function scratch(t: Teardown): string {
  const directory = mkdtempSync(join(tmpdir(), 'nri-userns-ledger-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** Writes files with the directories that they need. */
export function put(directory: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}

/** A problem is one more than the test expects, unless it brings an onProblem of its own. */
export const openLedger = (directory: string, options: Partial<LedgerOptions> = {}): Promise<Ledger> =>
  Ledger.open({
    directory,
    span: spanOf(100),
    podLimit: 100,
    onProblem: (error) => {
      throw error
    },
    ...options,
  })

export const sandbox = (id: string) => ({ id, bundle: `/run/bundles/${id}` })
