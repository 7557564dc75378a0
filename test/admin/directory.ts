import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A directory whose sockets have short paths, which the fixtures' of tap aren't, and that every user may enter. */
export function socketDirectory(t: Pick<Test, 'teardown'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'nri-userns-'))
  chmodSync(directory, 0o755)
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}
