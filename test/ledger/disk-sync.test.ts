import { join } from 'node:path'
import t from 'tap'
import { DiskSync } from '../../src/ledger/disk-sync.js'
import { put, scratch } from './scratch.js'

t.test('a failed flush is told, what was removed meanwhile is not', async (t) => {
  const directory = scratch(t)
  put(directory, { file: 'text' })
  const problems: Error[] = []
  const disk = new DiskSync((error) => problems.push(error))
  disk.syncSoon(join(directory, 'file'))
  disk.syncSoon('/dev/null') // fsync(2): EINVAL for what does not support it
  disk.syncSoon(join(directory, 'never there'))
  disk.syncSoon(join(directory, 'file', 'below a file'))
  disk.syncSoon(directory)
  await disk.flush()
  t.match(problems, [{ message: /^cannot flush \/dev\/null to the disk: EINVAL/ }])
  t.equal(problems.length, 1)
})

t.test('flush waits for all of it, and works again later', async (t) => {
  let failed = 0
  const disk = new DiskSync(() => failed++)
  await disk.flush()
  for (let round = 1; round <= 3; round++) {
    disk.syncSoon('/dev/null')
    disk.syncSoon('/dev/zero')
    await disk.flush()
    t.equal(failed, 2 * round)
  }
})
