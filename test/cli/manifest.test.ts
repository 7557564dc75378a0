import t from 'tap'
import { stringify } from 'yaml'
import { parseManifest } from '../../src/cli/manifest.js'

const pod = (spec: object, metadata: object = { name: 'web' }) =>
  parseManifest(stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec }), 'pod.yaml', 0)

t.test('what the daemon would be asked', async (t) => {
  const manifest = pod(
    {
      hostNetwork: true,
      hostIPC: true,
      securityContext: { runAsUser: 1000, runAsGroup: 7, fsGroup: 3000, supplementalGroups: [2000] },
      initContainers: [{ name: 'init', securityContext: { privileged: true } }],
      containers: [{ name: 'main', securityContext: { runAsUser: 70000, privileged: false } }],
    },
    { name: 'web', namespace: 'shop', labels: { app: 'web' }, annotations: { a: 'b' } },
  )
  const subject = { namespace: 'shop', pod: 'web', labels: { app: 'web' }, annotations: { a: 'b' } }
  const facts = { hostNamespaces: ['network', 'ipc'], hasUserNamespace: false }
  t.strictSame(manifest, {
    namespace: 'shop',
    pod: 'web',
    sandbox: {
      subject: { ...subject, user: undefined },
      facts: { ...facts, privileged: true, highestID: 3000 },
    },
    containers: [
      {
        name: 'init',
        isUserOfImage: false,
        subject: { ...subject, user: 1000 },
        facts: { ...facts, privileged: true, highestID: 3000 },
      },
      {
        name: 'main',
        isUserOfImage: false,
        subject: { ...subject, user: 70000 },
        facts: { ...facts, privileged: false, highestID: 70000 },
      },
    ],
  })
})

t.test('what a manifest leaves out', async (t) => {
  const text =
    'kind: Pod\nmetadata: { generateName: job- }\nspec: { hostUsers: false, containers: [{ name: a }] }'
  const { namespace, pod, containers } = parseManifest(text, 'pod.yaml', 65532)
  t.strictSame([namespace, pod], ['default', 'job-xxxxx'])
  t.match(containers, [
    { isUserOfImage: true, subject: { user: 65532 }, facts: { hasUserNamespace: true, highestID: 65532 } },
  ])
  t.equal(parseManifest(text, 'pod.yaml', 65532).sandbox.facts.highestID, 0)
})

t.test('every id of a pod counts', async (t) => {
  for (const ids of [{ runAsUser: 9 }, { runAsGroup: 9 }, { fsGroup: 9 }, { supplementalGroups: [1, 9] }]) {
    const { sandbox, containers } = pod({ securityContext: ids, containers: [{ name: 'a' }] })
    for (const { facts } of [sandbox, ...containers]) t.equal(facts.highestID, 9, JSON.stringify(ids))
  }
})

const bad: [what: string, text: string, message: RegExp][] = [
  ['nothing', '', /^pod\.yaml: expected the manifest of one Pod/],
  ['two of them', 'kind: Pod\n---\nkind: Pod', /the manifest of one Pod/],
  ['a word', 'Pod', /found no kind/],
  [
    'a Deployment',
    'kind: Deployment',
    /^pod\.yaml: expected kind: Pod, found Deployment; .*take the template/,
  ],
  ['no YAML', 'a: [', /^pod\.yaml: /],
  ['no spec', 'kind: Pod\nmetadata: {}', /spec: expected a map of keys and values/],
  [
    'a container without a name',
    'kind: Pod\nmetadata: {}\nspec: { containers: [{ image: a }] }',
    /^pod\.yaml: spec\.containers\[0\]\.name: expected a text/,
  ],
  [
    'a user that is none',
    'kind: Pod\nmetadata: {}\nspec: { securityContext: { runAsUser: -1 } }',
    /spec\.securityContext\.runAsUser: expected a user or group id/,
  ],
]

for (const [what, text, message] of bad)
  t.test(`refused: ${what}`, async (t) => {
    t.throws(() => parseManifest(text, 'pod.yaml', 0), { message })
  })
