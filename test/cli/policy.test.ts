import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { stringify } from 'yaml'
import { parseManifest } from '../../src/cli/manifest.js'
import { verdictsOn } from '../../src/cli/policy.js'
import { parseConfig } from '../../src/config/load.js'
import { configOf, nriUserns } from './program.js'

const policy = {
  hostNamespaces: 'skip',
  rules: [
    { match: { namespace: 'kube-*' }, outcome: 'skip' },
    { match: { user: 'root', pod: 'strict' }, outcome: 'refuse', reason: 'set runAsUser' },
    { match: { user: 7 }, outcome: 'skip' },
  ],
}

const podOf = (metadata: object, spec: object) => stringify({ kind: 'Pod', metadata, spec })
const containers = [{ name: 'a' }, { name: 'b', securityContext: { runAsUser: 5 } }]
const user = (runAsUser: number) => ({ name: 'a', securityContext: { runAsUser } })

const cases: [what: string, metadata: object, spec: object, results: [outcome: string, rule: unknown][]][] = [
  [
    'a plain pod',
    {},
    { containers },
    [
      ['map', 'default'],
      ['map', 'default'],
      ['map', 'default'],
    ],
  ],
  [
    'a pod that a rule leaves alone',
    { namespace: 'kube-system' },
    { containers },
    [
      ['skip', 0],
      ['skip', 0],
      ['skip', 0],
    ],
  ],
  [
    "a pod on the host's network",
    {},
    { hostNetwork: true, containers: [user(1)] },
    [
      ['skip', 'hostNamespaces'],
      ['skip', 'hostNamespaces'],
    ],
  ],
  [
    'a pod whose sandbox is refused',
    {},
    { containers: [{ name: 'a', securityContext: { privileged: true } }, user(1)] },
    [
      ['refuse', 'privileged'],
      ['refuse', 'privileged'],
      ['refuse', 'privileged'],
    ],
  ],
  [
    'a pod with a user namespace',
    {},
    { hostUsers: false, containers: [user(1)] },
    [
      ['skip', null],
      ['skip', null],
    ],
  ],
  [
    'root',
    { name: 'strict' },
    { containers },
    [
      ['map', 'default'],
      ['refuse', 1],
      ['map', 'default'],
    ],
  ],
  [
    'a container that can not be left alone by itself',
    {},
    { containers: [user(7)] },
    [
      ['map', 'default'],
      ['refuse', 2],
    ],
  ],
  [
    'an id beyond the range',
    {},
    { containers: [user(65536)] },
    [
      ['map', 'default'],
      ['refuse', null],
    ],
  ],
]

for (const [what, metadata, spec, expected] of cases)
  t.test(what, async (t) => {
    const manifest = parseManifest(podOf({ name: 'web', ...metadata }, spec), 'pod.yaml', 0)
    const results = verdictsOn(manifest, parseConfig(stringify({ policy }), 'c.yaml').policy, 65536)
    t.strictSame(
      results.map(({ outcome, rule }) => [outcome, rule]),
      expected,
    )
  })

const sized = {
  rules: [
    { match: { labels: { app: 'desktops-*' } }, outcome: 'map', idsPerPod: 131072, maxIdsPerPod: 262144 },
    { match: { labels: { app: '*' } }, outcome: 'skip' },
  ],
}
const ask = (ids: number) => ({ 'ids-per-pod.userns.nri.io': `${ids}` })
const desktop = { app: 'desktops-1' }
const sizeCases: [
  what: string,
  metadata: object,
  uid: number,
  results: [string, unknown, number | null][],
][] = [
  ['no label', {}, 65535, Array(2).fill(['map', 'default', 65536])],
  ['a label that another rule is about', { labels: { app: 'web' } }, 1, Array(2).fill(['skip', 1, null])],
  ['a label that gives more ids', { labels: desktop }, 131071, Array(2).fill(['map', 0, 131072])],
  [
    'a user beyond those, too',
    { labels: desktop },
    131072,
    [
      ['map', 0, 131072],
      ['refuse', null, null],
    ],
  ],
  [
    'even more, asked for',
    { labels: desktop, annotations: ask(262144) },
    131072,
    Array(2).fill(['map', 0, 262144]),
  ],
  [
    'more than may be asked for',
    { labels: desktop, annotations: ask(327680) },
    1,
    Array(2).fill(['refuse', 0, null]),
  ],
]

for (const [what, metadata, uid, expected] of sizeCases)
  t.test(`a size: ${what}`, async (t) => {
    const spec = { containers: [user(uid)] }
    const manifest = parseManifest(podOf({ name: 'web', ...metadata }, spec), 'pod.yaml', 0)
    const results = verdictsOn(manifest, parseConfig(stringify({ policy: sized }), 'c.yaml').policy, 65536)
    t.strictSame(
      results.map(({ outcome, rule, ids }) => [outcome, rule, ids]),
      expected,
    )
  })

const verdicts = (choices: object, containers: object[]) =>
  verdictsOn(
    parseManifest(podOf({ name: 'web' }, { containers }), 'pod.yaml', 0),
    parseConfig(stringify({ policy: choices }), 'c.yaml').policy,
    65536,
  )
const privilegedContainer = { name: 'p', securityContext: { privileged: true } }

t.test('a privileged pod is left alone with all of its containers', async (t) => {
  const results = verdicts({ privileged: 'skip' }, [privilegedContainer, user(1)])
  t.strictSame(
    results.map(({ outcome }) => outcome),
    ['skip', 'skip', 'skip'],
  )
})

t.test('containers of a sandbox that is refused never come to be', async (t) => {
  t.match(verdicts({}, [privilegedContainer, user(1)]), [
    { outcome: 'refuse', reason: /^it is privileged/ },
    { outcome: 'refuse', reason: 'its sandbox is refused' },
    { outcome: 'refuse', reason: 'its sandbox is refused' },
  ])
})

async function filesOf(t: Test) {
  const { path } = await configOf(t, { policy })
  const directory = t.testdir({})
  const write = async (name: string, text: string) => {
    await writeFile(join(directory, name), text)
    return join(directory, name)
  }
  return { config: path, write }
}

t.test('policy test: what would become of each part, and where that is written', async (t) => {
  const { config, write } = await filesOf(t)
  const left = await write(
    'left.yaml',
    podOf({ name: 'dns', namespace: 'kube-system' }, { containers: [user(1)] }),
  )
  const { code, stdout } = await nriUserns(['policy', 'test', '-f', left, '-c', config])
  t.equal(code, 0)
  const [headers, sandbox, container, ...rest] = stdout.split('\n')
  t.match(headers, /^PART +OUTCOME +IDS +RULE +PLACE +REASON$/)
  t.match(
    sandbox,
    /^sandbox +skip +- +rules\[0\] +\/.*config\.yaml:\d+:\d+ +policy\.rules\[0\] leaves it alone$/,
  )
  t.match(container, /^container a +skip +- +rules\[0\]/)
  t.strictSame(rest, [''])

  const strict = await write('strict.yaml', podOf({ name: 'strict' }, { containers }))
  const refused = await nriUserns(['policy', 'test', '-f', strict, '-c', config])
  t.equal(refused.code, 1)
  t.match(refused.stdout, /^sandbox +map +65536 +default +- +-$/m)
  t.match(refused.stdout, /^container a +refuse +- +rules\[1\] .*: set runAsUser \(policy\.rules\[1\]\)$/m)
  t.match(refused.stdout, /^The manifest has no runAsUser for a: taken as uid 0, as --image-user says\.$/m)
  t.equal((await nriUserns(['policy', 'test', '-f', strict, '-c', config, '-u', '1000'])).code, 0)
})

t.test('policy test as JSON', async (t) => {
  const { config, write } = await filesOf(t)
  const pod = await write('pod.yaml', podOf({ name: 'web' }, { hostPID: true, containers: [user(1)] }))
  const { code, stdout } = await nriUserns(['policy', 'test', '-f', pod, '-c', config, '-o', 'json'])
  t.equal(code, 0)
  t.match(JSON.parse(stdout), {
    namespace: 'default',
    pod: 'web',
    sandbox: {
      outcome: 'skip',
      rule: 'hostNamespaces',
      place: /config\.yaml:\d+:\d+$/,
      reason: /pid namespace/,
    },
    containers: [{ container: 'a', outcome: 'skip', rule: 'hostNamespaces' }],
  })
})

t.test('policy test of what can not be read', async (t) => {
  const { config, write } = await filesOf(t)
  const run = (...args: string[]) => nriUserns(['policy', 'test', ...args])
  t.match(await run(), { code: 2, stderr: /required option '-f, --file <file>'/ })
  t.match(await run('-f', '/missing.yaml', '-c', config), {
    code: 1,
    stderr: "nri-userns: /missing.yaml: can't be read: there is no such file\n",
  })
  const job = await write('job.yaml', 'kind: Job')
  t.match(await run('-f', job, '-c', config), { code: 1, stderr: /job\.yaml: expected kind: Pod, found Job/ })
  t.match(await run('-f', job, '-c', job), { code: 1, stderr: /job\.yaml:1:1: unknown key "kind"/ })
  t.equal((await run('-f', job, '-u', 'root')).code, 2)
})
