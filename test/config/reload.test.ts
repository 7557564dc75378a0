import t from 'tap'
import { changesOf } from '../../src/config/reload.js'
import { type Config, defaultConfig } from '../../src/config/schema.js'

const policy: Config['policy'] = {
  ...defaultConfig.policy,
  rules: [{ match: { namespace: ['a'] }, outcome: 'skip', allow: [] }],
}

t.test('what may change', async (t) => {
  const level = { ...defaultConfig.log, level: 'debug' } as const
  t.strictSame(changesOf(defaultConfig, structuredClone(defaultConfig)), [])
  t.strictSame(changesOf(defaultConfig, { ...defaultConfig, policy }), ['policy'])
  t.strictSame(changesOf({ ...defaultConfig, policy }, defaultConfig), ['policy'])
  t.strictSame(changesOf(defaultConfig, { ...defaultConfig, log: level }), ['log.level'])
  t.strictSame(changesOf(defaultConfig, { ...defaultConfig, policy, log: level }), ['policy', 'log.level'])
})

const fixed: [what: string, change: Partial<Config>, message: RegExp][] = [
  ['a switch', { enabled: false }, /also enabled \(true before, false now\): restart the daemon/],
  [
    'a key of a section',
    { log: { ...defaultConfig.log, format: 'json' } },
    /log\.format \(auto before, json now\)/,
  ],
  [
    'several',
    { stateDirectory: '/x', ranges: { ...defaultConfig.ranges, podLimit: 3 } },
    /ranges\.podLimit \(1024 before, 3 now\), stateDirectory \(\/var\/lib\/nri-userns before, \/x now\)/,
  ],
]

for (const [what, change, message] of fixed)
  t.test(`what may not: ${what}`, async (t) => {
    t.throws(() => changesOf(defaultConfig, { ...defaultConfig, policy, ...change }), { message })
  })
