import t from 'tap'
import { checkBundle, checkName } from '../../src/ledger/names.js'

t.test('names of files', async (t) => {
  for (const good of [
    '8c1d6a52-1f0c-4f0e-9a65-3e0c5f5a9a11',
    'a',
    '0123456789abcdef'.repeat(4),
    'x'.repeat(253),
    'a..b',
  ]) {
    t.doesNotThrow(() => checkName('pod uid', good), good)
  }
  for (const bad of [
    '',
    '.',
    '..',
    '../x',
    'a/b',
    '/etc',
    '.hidden',
    '-rf',
    'a b',
    'a\0b',
    'a\n',
    'ä',
    'x'.repeat(254),
  ]) {
    t.throws(
      () => checkName('pod uid', bad),
      { message: /^pod uid ".*" can't name a file: it must be/ },
      JSON.stringify(bad),
    )
  }
})

t.test('bundles', async (t) => {
  t.doesNotThrow(() => checkBundle('/run/bundle'))
  for (const bad of ['', '.', 'run/bundle', '/run\0/bundle']) {
    t.throws(() => checkBundle(bad), { message: /must be an absolute path/ }, JSON.stringify(bad))
  }
})
