import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BLOCK } from '../../src/ranges/range.js'
import { printRecord } from '../../src/ranges/record.js'
import { nth, openLedger, put, recordOf, sandbox, scratch } from './scratch.js'

t.test('a restart gives the same ranges', async (t) => {
  const directory = scratch(t)
  const before = await openLedger(directory)
  for (let i = 0; i < 50; i++) await before.assign({ uid: `pod-${i}` }, sandbox(`s${i}`))
  for (let i = 0; i < 50; i += 2) await before.release(`pod-${i}`)
  const ranges = [...before.entries()].map(({ podUID, range }) => [podUID, range])

  const after = await openLedger(directory)
  t.same(new Map([...after.entries()].map(({ podUID, range }) => [podUID, range])), new Map(ranges as []))
  t.same(after.usage, before.usage)
  const { since, sandboxes } = after.find('pod-1')!
  t.same(since, statSync(join(directory, 'pods/pod-1/userns')).mtime)
  t.same([...sandboxes.values()], [{ ...sandbox('s1'), confirmed: false }])
  t.equal(after.podOfSandbox('s1'), after.find('pod-1'))
  t.same(await after.assign({ uid: 'pod-7' }, sandbox('s7')), {
    range: before.find('pod-7')?.range,
    isNew: false,
  })
  const { range } = await after.assign({ uid: 'new' }, sandbox('new'))
  t.notOk(
    ranges.some(([, taken]) => (taken as typeof range).hostID === range.hostID),
    'a new pod gets a range of its own',
  )
})

t.test('more pods than a lowered limit stay', async (t) => {
  const directory = scratch(t)
  const before = await openLedger(directory)
  for (let i = 0; i < 3; i++) await before.assign({ uid: `pod-${i}` }, sandbox(`s${i}`))
  const after = await openLedger(directory, { podLimit: 2 })
  t.equal(after.usage.used, 3)
  await t.rejects(after.assign({ uid: 'new' }, sandbox('new')), { name: 'PodLimitError' })
})

t.test('leftovers of a crash', async (t) => {
  const directory = scratch(t)
  put(directory, {
    'pods/a/userns': recordOf(4),
    'pods/a/userns.tmp': recordOf(4),
    'pods/before-rename/userns.tmp': recordOf(5),
    'pods/empty/userns': '',
    'pods/empty/notes': 'unknown',
  })
  mkdirSync(join(directory, 'pods/bare/sandboxes'), { recursive: true })
  const ledger = await openLedger(directory)
  t.same(
    [...ledger.entries()].map(({ podUID }) => podUID),
    ['a'],
  )
  t.same(readdirSync(join(directory, 'pods')).sort(), ['a', 'empty'], 'directories of no pod are tidied away')
  t.same(readdirSync(join(directory, 'pods/a')), ['userns'])
  t.same(readdirSync(join(directory, 'pods/empty')), ['notes'], 'but for unknown content')
  t.same(await ledger.assign({ uid: 'empty' }, sandbox('s1')), { range: nth(0), isNew: true })
})

t.test('a bad file stops the start and stays as it is', async (t) => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ['not JSON', { b: '{"uidMappings":' }, /^[^ ]*\/pods\/b\/userns: not JSON: /],
    ['spaces', { b: '  ' }, /\/pods\/b\/userns: not JSON/],
    [
      'no mapping',
      { b: '{"uidMappings":[],"gidMappings":[]}' },
      /\/pods\/b\/userns: uidMappings has 0 mappings/,
    ],
    ['outside the span', { b: recordOf(100) }, /\/pods\/b\/userns: the range 6619136-6684671 lies outside/],
    [
      'one range for two',
      { b: recordOf(1), c: recordOf(1) },
      /of pod [bc]: ids of its range 131072-196607 are those of pod [bc] too/,
    ],
  ]
  for (const [name, bad, message] of cases) {
    const directory = scratch(t)
    const files: Record<string, string> = { 'pods/a/userns': recordOf(0), 'pods/empty/userns': '' }
    for (const [podUID, text] of Object.entries(bad)) files[`pods/${podUID}/userns`] = text
    put(directory, files)
    await t.rejects(openLedger(directory), { message }, name)
    await t.rejects(
      openLedger(directory),
      { message: /move it away once no process of that pod lives/ },
      `${name}, again`,
    )
    for (const [file, text] of Object.entries(files)) {
      t.equal(readFileSync(join(directory, file), 'utf8'), text, `${name}: ${file}`)
    }
  }
})

t.test('a record has its own length, whatever that of others is now', async (t) => {
  const directory = scratch(t)
  const long = { firstID: 16 * BLOCK, count: 160 * BLOCK, idsPerPod: 16 * BLOCK }
  const old = { hostID: 17 * BLOCK, length: BLOCK }
  put(directory, { 'pods/a/userns': printRecord(old) })
  const ledger = await openLedger(directory, { span: long, podLimit: 10 })
  t.same(ledger.find('a')?.range, old)
  t.match(ledger.usage, { total: 160, used: 1, free: 159, pods: 1 })
  const { range } = await ledger.assign({ uid: 'b' }, sandbox('s'))
  t.same(range, { hostID: 32 * BLOCK, length: 16 * BLOCK }, 'not the one that it lies in')
})

t.test('what can not be read stops the start', async (t) => {
  const directory = scratch(t)
  mkdirSync(join(directory, 'pods/a/userns'), { recursive: true })
  await t.rejects(openLedger(directory), { message: /^cannot read .*\/pods\/a\/userns: EISDIR/ })
  put(directory, { file: '' })
  await t.rejects(openLedger(join(directory, 'file')), { message: /^cannot read .*\/file\/pods: ENOTDIR/ })
})
