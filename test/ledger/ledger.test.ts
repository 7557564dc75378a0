import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BLOCK, printRange } from '../../src/ranges/range.js'
import { nth, openLedger, put, recordOf, sandbox, scratch, spanOf } from './scratch.js'

t.test('a pod gets one range, for all of its sandboxes', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  const pod = { uid: 'a', namespace: 'default', name: 'web' }
  t.same(await ledger.assign(pod, sandbox('s1')), { range: nth(0), isNew: true })
  t.same(await ledger.assign(pod, sandbox('s2')), { range: nth(0), isNew: false })
  t.same(await ledger.assign({ uid: 'b' }, sandbox('s3')), { range: nth(1), isNew: true })

  t.equal(readFileSync(join(directory, 'pods/a/userns'), 'utf8'), recordOf(0))
  t.equal(readlinkSync(join(directory, 'pods/a/sandboxes/s2')), '/run/bundles/s2')
  t.match(ledger.find('a'), { podUID: 'a', range: nth(0), namespace: 'default', name: 'web' })
  t.equal(ledger.podOfSandbox('s2'), ledger.find('a'))
  t.same(
    [...ledger.find('a')!.sandboxes.values()],
    [
      { ...sandbox('s1'), confirmed: false },
      { ...sandbox('s2'), confirmed: false },
    ],
  )
  t.equal(ledger.find('c'), undefined)
  t.equal(ledger.podOfSandbox('s9'), undefined)
  t.same(
    [...ledger.entries()].map(({ podUID }) => podUID),
    ['a', 'b'],
  )
  t.same(ledger.usage, { total: 100, used: 2, avoided: 0, free: 98, pods: 2, limit: 100 })
  await ledger.flush()
})

t.test('the last sandbox of a pod takes the range along', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  await ledger.assign({ uid: 'a' }, sandbox('s2'))
  t.equal(await ledger.dropSandbox('s1'), undefined)
  t.notOk(existsSync(join(directory, 'pods/a/sandboxes/s1')))
  t.equal(ledger.podOfSandbox('s1'), undefined)
  const last = ledger.find('a')
  t.equal(await ledger.dropSandbox('s2'), last)
  t.same(readdirSync(join(directory, 'pods')), [])
  t.equal(ledger.find('a'), undefined)
  t.equal(await ledger.dropSandbox('s2'), undefined, 'again')
  t.equal(ledger.usage.free, 100)
})

t.test('release', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  const seen = ledger.find('a')!
  await ledger.assign({ uid: 'a' }, sandbox('s2'))
  t.equal(await ledger.release('a', seen), undefined, 'a sandbox has come since it was seen')
  t.ok(existsSync(join(directory, 'pods/a/userns')))
  const present = ledger.find('a')!
  t.equal(await ledger.release('a', present), present)
  t.equal(await ledger.release('a'), undefined, 'again')
  t.equal(ledger.podOfSandbox('s1'), undefined)
  t.same(readdirSync(join(directory, 'pods')), [])
  t.same((await ledger.assign({ uid: 'b' }, sandbox('s1'))).range, nth(1), 'the freed range rests')
})

t.test('confirm', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  t.equal(await ledger.confirm('a', 's1', { name: 'web' }), undefined, 'no pod of ours')
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  const entry = await ledger.confirm('a', 's1', { namespace: 'default', name: 'web' })
  t.match(entry, { namespace: 'default', name: 'web' })
  t.same(entry?.sandboxes.get('s1'), { ...sandbox('s1'), confirmed: true })
  t.equal(ledger.find('a'), entry)

  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  t.ok(ledger.find('a')?.sandboxes.get('s1')?.confirmed, 'stays so when the sandbox is asked for again')
  t.equal(ledger.find('a')?.name, 'web')

  await ledger.confirm('a', 's2', { bundle: '/run/bundles/s2' })
  t.equal(readlinkSync(join(directory, 'pods/a/sandboxes/s2')), '/run/bundles/s2', 'one that was missed')
  await ledger.confirm('a', 's3', {})
  t.same(ledger.podOfSandbox('s3')?.sandboxes.get('s3'), { id: 's3', bundle: '', confirmed: true })
  await ledger.dropSandbox('s1')
  await ledger.dropSandbox('s2')
  t.match(await ledger.dropSandbox('s3'), { podUID: 'a' })
  t.equal(ledger.usage.used, 0)
})

t.test('what can not be', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  await t.rejects(ledger.assign({ uid: '../a' }, sandbox('s2')), {
    message: /^pod uid "..\/a" can't name a file/,
  })
  await t.rejects(ledger.assign({ uid: 'b' }, sandbox('a/b')), {
    message: /^sandbox id "a\/b" can't name a file/,
  })
  await t.rejects(ledger.assign({ uid: 'b' }, { id: 's2', bundle: '.' }), { message: /absolute path/ })
  await t.rejects(ledger.assign({ uid: 'b' }, sandbox('s1')), {
    message: /^sandbox s1 of pod b is recorded as one of pod a/,
  })
  await t.rejects(ledger.confirm('a', '../s', { bundle: '/b' }), { message: /can't name a file/ })
  t.equal(ledger.podOfSandbox('../s'), undefined)
  t.equal(ledger.usage.used, 1)
  await t.rejects(openLedger(directory, { podLimit: 101 }), RangeError)
})

t.test('limit and exhaustion leave nothing behind', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory, { span: spanOf(3), podLimit: 2 })
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  ledger.avoid('others', [nth(1), nth(2)])
  await t.rejects(ledger.assign({ uid: 'b' }, sandbox('s2')), { name: 'SpaceExhaustedError' })
  ledger.stopAvoiding('others')
  await ledger.assign({ uid: 'b' }, sandbox('s2'))
  await t.rejects(ledger.assign({ uid: 'c', namespace: 'default', name: 'web' }, sandbox('s3')), {
    name: 'PodLimitError',
    message: /^pod default\/web \(c\)/,
  })
  t.same(readdirSync(join(directory, 'pods')).sort(), ['a', 'b'])
  t.same(
    await ledger.assign({ uid: 'a' }, sandbox('s4')),
    { range: nth(0), isNew: false },
    'a known pod is served',
  )
  await ledger.dropSandbox('s2')
  t.equal((await ledger.assign({ uid: 'c' }, sandbox('s3'))).isNew, true)
})

t.test('a write that fails gives the range back', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  put(directory, { 'pods/file': '' })
  mkdirSync(join(directory, 'pods/dir/userns'), { recursive: true })
  for (const uid of ['file', 'dir']) {
    await t.rejects(ledger.assign({ uid, namespace: 'default', name: 'web' }, sandbox('s1')), {
      name: 'RecordError',
      message: new RegExp(
        `^the id range of pod default/web \\(${uid}\\) can't be recorded: cannot write .*/pods/${uid}/userns: E`,
      ),
    })
    t.equal(ledger.find(uid), undefined)
    t.equal(ledger.usage.free, 100)
  }
  await ledger.assign({ uid: 'b' }, sandbox('s1'))
  t.equal(ledger.podOfSandbox('s1')?.podUID, 'b', 'the sandbox is not kept either')
  rmSync(join(directory, 'pods/file'))
  t.equal((await ledger.assign({ uid: 'file' }, sandbox('s2'))).isNew, true, 'and can be asked for again')
})

t.test('a sandbox that can not be recorded', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  put(directory, { 'pods/a/sandboxes/s1/unknown': '' })
  const refused = {
    name: 'RecordError',
    message: /^the id range of pod a can't be recorded: cannot write .*\/s1: EINVAL/,
  }
  await t.rejects(ledger.assign({ uid: 'a' }, sandbox('s1')), refused)
  t.notOk(existsSync(join(directory, 'pods/a/userns')), 'a new range is taken back')
  t.equal(ledger.usage.free, 100)

  await ledger.assign({ uid: 'a' }, sandbox('s2'))
  await t.rejects(ledger.assign({ uid: 'a' }, sandbox('s1')), refused)
  t.same([...ledger.find('a')!.sandboxes.keys()], ['s2'], 'one that the pod has stays as it is')
  t.equal(ledger.podOfSandbox('s1'), undefined)

  await t.rejects(ledger.confirm('a', 's1', { bundle: '/run/bundles/s1' }), refused)
  t.ok(
    (await ledger.assign({ uid: 'b' }, sandbox('s1'))).isNew,
    'the sandbox is not taken for one of the pod',
  )
})

t.test('a removal that fails keeps the range', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  const record = join(directory, 'pods/a/userns')
  rmSync(record)
  mkdirSync(record)
  const refused = {
    name: 'ReleaseError',
    message: /^pod a keeps its id range 65536-131071: cannot remove .*\/pods\/a\/userns: E/,
  }
  await t.rejects(ledger.release('a'), refused)
  await t.rejects(ledger.dropSandbox('s1'), refused)
  t.ok(ledger.podOfSandbox('s1'))
  t.equal(ledger.usage.used, 1)
  rmdirSync(record)
  t.match(await ledger.dropSandbox('s1'), { podUID: 'a' })
  t.equal(ledger.usage.used, 0)

  await ledger.assign({ uid: 'b' }, sandbox('s2'))
  await ledger.assign({ uid: 'b' }, sandbox('s3'))
  const link = join(directory, 'pods/b/sandboxes/s2')
  rmSync(link)
  mkdirSync(link)
  await t.rejects(ledger.dropSandbox('s2'), { name: 'ReleaseError', message: /sandboxes\/s2: E/ })
  t.ok(ledger.podOfSandbox('s2'))
})

t.test('avoided ranges', async (t) => {
  const ledger = await openLedger(scratch(t))
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  t.same(ledger.avoid('podman', [{ hostID: 100000, length: 65536 }]), [ledger.find('a')])
  t.same(ledger.claims('passing'), ['podman'])
  t.same(printRange((await ledger.assign({ uid: 'b' }, sandbox('s2'))).range), printRange(nth(2)))
  t.same(ledger.usage, { total: 100, used: 2, avoided: 1, free: 97, pods: 2, limit: 100 })
})

t.test('a length of its own, which the pod keeps', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  const long = { hostID: 2 * BLOCK, length: 2 * BLOCK }
  t.same(await ledger.assign({ uid: 'a' }, sandbox('s1'), 2 * BLOCK), { range: long, isNew: true })
  t.same(await ledger.assign({ uid: 'a' }, sandbox('s2')), { range: long, isNew: false })
  t.same(await ledger.assign({ uid: 'a' }, sandbox('s3'), 4 * BLOCK), { range: long, isNew: false })
  t.same((await openLedger(directory)).find('a')?.range, long, 'after a restart')
  await t.rejects(ledger.assign({ uid: 'b' }, sandbox('s4'), 128 * BLOCK), {
    name: 'SpaceExhaustedError',
    message: /^pod b gets no id range: no 8388608 ids are free in one piece/,
  })
  t.equal(ledger.find('b'), undefined)
})
