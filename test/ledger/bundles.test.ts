import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findBundles } from '../../src/ledger/bundles.js'
import type { PodEntry } from '../../src/ledger/entry.js'
import { nth, put, scratch } from './scratch.js'

t.test('only a bundle that is known to be gone is said not to exist', async (t) => {
  const directory = scratch(t)
  mkdirSync(join(directory, 'there'))
  put(directory, { file: '' })
  const of = (bundle: string) => ({ id: 'id', bundle, confirmed: false })
  const paths = {
    there: join(directory, 'there'),
    gone: join(directory, 'gone'),
    belowFile: join(directory, 'file', 'bundle'),
    unnamed: '',
    unreadable: join(directory, 'x'.repeat(300)),
  }
  const sandboxes = new Map(Object.entries(paths).map(([key, path]) => [key, of(path)]))
  const entry: PodEntry = { podUID: 'a', range: nth(0), since: new Date(), sandboxes }
  const exists = await findBundles([entry])
  t.ok(exists(of(paths.there)))
  t.notOk(exists(of(paths.gone)))
  t.notOk(exists(of(paths.belowFile)))
  t.ok(exists(of(paths.unnamed)), 'it is not known where it is')
  t.ok(exists(of(paths.unreadable)), 'ENAMETOOLONG')
  t.ok(exists(of(join(directory, 'came later'))))
})
