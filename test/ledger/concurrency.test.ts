import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { nth, openLedger, recordOf, sandbox, scratch, spanOf } from './scratch.js'

t.test('many calls for one pod give one range', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  const calls = Array.from({ length: 20 }, (_, i) => ledger.assign({ uid: 'a' }, sandbox(`s${i % 4}`)))
  const results = await Promise.all(calls)
  t.same(results[0], { range: nth(0), isNew: true })
  for (const result of results.slice(1)) t.same(result, { range: nth(0), isNew: false })
  t.equal(ledger.usage.used, 1)
  t.same(readdirSync(join(directory, 'pods/a/sandboxes')).sort(), ['s0', 's1', 's2', 's3'])
})

t.test('a range under release is nobody else’s until its record is gone', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory, { span: spanOf(2), podLimit: 2 })
  ledger.avoid('others', [nth(1)])
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  const release = ledger.release('a')
  await t.rejects(ledger.assign({ uid: 'b' }, sandbox('s2')), { name: 'SpaceExhaustedError' })
  await release
  t.same(await ledger.assign({ uid: 'b' }, sandbox('s2')), { range: nth(0), isNew: true })
  t.same(readdirSync(join(directory, 'pods')), ['b'])
})

t.test('assigned while its release is under way: a new range, whole on disk', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  const [released, assigned] = await Promise.all([
    ledger.dropSandbox('s1'),
    ledger.assign({ uid: 'a' }, sandbox('s2')),
  ])
  t.match(released, { range: nth(0) })
  t.same(assigned, { range: nth(1), isNew: true })
  t.equal(readFileSync(join(directory, 'pods/a/userns'), 'utf8'), recordOf(1))
  t.ok(ledger.podOfSandbox('s2'))
})

t.test('released or dropped while its assignment is under way: gone', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  const [, released] = await Promise.all([ledger.assign({ uid: 'a' }, sandbox('s1')), ledger.release('a')])
  t.match(released, { podUID: 'a' })
  const [, dropped] = await Promise.all([
    ledger.assign({ uid: 'b' }, sandbox('s2')),
    ledger.dropSandbox('s2'),
  ])
  t.match(dropped, { podUID: 'b' })
  t.same(readdirSync(join(directory, 'pods')), [])
  t.equal(ledger.usage.used, 0)
})

t.test('an orphan that comes back while it is released stays', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory)
  await ledger.assign({ uid: 'a' }, sandbox('s1'))
  const orphan = ledger.find('a')!
  const [assigned, released] = await Promise.all([
    ledger.assign({ uid: 'a' }, sandbox('s2')),
    ledger.release('a', orphan),
  ])
  t.equal(released, undefined)
  t.same(assigned, { range: nth(0), isNew: false })
  t.ok(existsSync(join(directory, 'pods/a/userns')))
})

t.test('1,000 pods at once, half of them gone again', async (t) => {
  const directory = scratch(t)
  const ledger = await openLedger(directory, { span: spanOf(1000), podLimit: 1000 })
  const uids = Array.from({ length: 1000 }, (_, i) => `pod-${i}`)
  const start = performance.now()
  await Promise.all(uids.map((uid) => ledger.assign({ uid }, sandbox(`s-${uid}`))))
  t.comment(`${((performance.now() - start) / 1000).toFixed(2)} ms for each of 1,000 at once`)
  const ranges = new Set([...ledger.entries()].map(({ range }) => range.hostID))
  t.equal(ranges.size, 1000, 'no two alike')
  await Promise.all(uids.filter((_, i) => i % 2).map((uid) => ledger.dropSandbox(`s-${uid}`)))
  await ledger.flush()
  t.same(ledger.usage, { total: 1000, used: 500, avoided: 0, free: 500, pods: 500, limit: 1000 })
  const begin = performance.now()
  const again = await openLedger(directory, { span: spanOf(1000), podLimit: 1000 })
  t.comment(`${(performance.now() - begin).toFixed(0)} ms to read 500 pods`)
  for (const entry of ledger.entries()) t.same(again.find(entry.podUID)?.range, entry.range)
  t.equal(again.usage.used, 500)
})
