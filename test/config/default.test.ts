import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config/load.js'
import { defaultConfig } from '../../src/config/schema.js'

const text = readFileSync(new URL('../../config/config.yaml', import.meta.url), 'utf8')

t.test('the commented default means the defaults', async (t) => {
  t.same(parseConfig(text, 'config.yaml'), defaultConfig)
})

t.test('it names every key with its default, commented ones too', async (t) => {
  t.strictSame(parse(text.replaceAll(/^( *)# (socket: )/gm, '$1$2')), defaultConfig)
})

t.test('its examples are valid', async (t) => {
  const examples = text.replace(
    /rules: \[\]\n((?: *#.*\n)+)/,
    (_, lines: string) => `rules:\n${lines.replaceAll('# ', '  ')}`,
  )
  const { rules } = parseConfig(examples, 'config.yaml').policy
  t.match(rules, [
    { match: { namespace: ['kube-system', 'monitoring-*'] }, outcome: 'skip' },
    { match: { annotations: { 'example.com/reviewed': '*' } }, outcome: 'map', allow: ['skip'] },
    { match: { labels: { 'example.com/desktops': '*' } }, idsPerPod: 131072, maxIdsPerPod: 1048576 },
    { match: { user: ['root'] }, outcome: 'refuse', reason: /runAsUser/ },
  ])
})
