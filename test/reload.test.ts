import { PassThrough } from 'node:stream'
import t from 'tap'
import { type Config, defaultConfig } from '../src/config/schema.js'
import { createLogger } from '../src/observe/log.js'
import { LiveConfig } from '../src/reload.js'

const at = (level: Config['log']['level'], outcome: 'map' | 'skip' = 'map'): Config => ({
  ...defaultConfig,
  log: { level, format: 'json' },
  policy: { ...defaultConfig.policy, default: { outcome, allow: [] } },
})

/** @param files what is read, one after the other */
function setUp(first: Config, ...files: (Config | Error | Promise<Config>)[]) {
  const stream = new PassThrough()
  const log = createLogger({ ...first.log, stream })
  const read = async () => {
    const next = files.shift()!
    if (next instanceof Error) throw next
    return next
  }
  const lines = () =>
    String(stream.read() ?? '')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  return { live: new LiveConfig(first, read, log), log, lines }
}

t.test('a change is taken over, and told in one line at any level', async (t) => {
  const { live, log, lines } = setUp(at('error'), at('warn', 'skip'), at('debug', 'skip'))
  await live.reload()
  t.equal(live.current.policy.default.outcome, 'skip')
  log.info('not logged')
  log.warn('logged')
  t.match(lines(), [
    { msg: 'config reloaded', level: 'info', changed: 'policy, log.level' },
    { msg: 'logged' },
  ])
  await live.reload()
  log.debug('logged now')
  t.match(lines(), [{ msg: 'config reloaded', changed: 'log.level' }, { msg: 'logged now' }])
})

t.test('what is faulty, or can not be changed, changes nothing', async (t) => {
  const first = at('info')
  const { live, log, lines } = setUp(
    first,
    new Error('c.yaml:1:1: no'),
    { ...at('debug', 'skip'), stateDirectory: '/x' },
    at('info'),
  )
  await live.reload()
  await live.reload()
  t.equal(live.current, first)
  log.debug('not logged')
  t.match(lines(), [
    { msg: 'config not reloaded', level: 'error', reason: 'c.yaml:1:1: no' },
    { msg: 'config not reloaded', level: 'error', reason: /stateDirectory/ },
  ])
  await live.reload()
  t.match(lines(), [{ msg: 'config reloaded', changed: 'nothing' }])
})

t.test('the file as it was read last is what holds', async (t) => {
  let answer = (_: Config) => {}
  const slow = new Promise<Config>((resolve) => {
    answer = resolve
  })
  const { live } = setUp(at('info'), slow, at('info', 'skip'))
  const both = [live.reload(), live.reload()]
  setImmediate(() => answer(at('info', 'map')))
  await Promise.all(both)
  t.equal(live.current.policy.default.outcome, 'skip')
})
