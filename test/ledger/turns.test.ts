import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Turns } from '../../src/ledger/turns.js'

t.test('one key: one after the other, also past a failure', async (t) => {
  const turns = new Turns()
  const steps: string[] = []
  const work = (name: string, ms: number) => async () => {
    steps.push(`${name} begins`)
    await setTimeout(ms)
    steps.push(`${name} ends`)
    if (name === 'b') throw new Error('b failed')
    return name
  }
  const results = await Promise.allSettled([
    turns.run('key', work('a', 20)),
    turns.run('key', work('b', 10)),
    turns.run('key', work('c', 0)),
  ])
  t.same(steps, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  t.match(results, [{ value: 'a' }, { reason: { message: 'b failed' } }, { value: 'c' }])
})

t.test('keys do not wait for each other', async (t) => {
  const turns = new Turns()
  let open = () => {}
  const closed = turns.run('one', () => new Promise<void>((resolve) => (open = resolve)))
  t.equal(await turns.run('other', async () => 'done'), 'done')
  open()
  await closed
})
