import t from 'tap'
import { admit, type Choices, type ContainerFacts, inSandbox } from '../../src/policy/admission.js'

const plain: ContainerFacts = { hostNamespaces: [], privileged: false, hasUserNamespace: false, highestID: 0 }

const strict: Choices = { hostNamespaces: 'refuse', privileged: 'refuse' }

const cases: [what: string, facts: Partial<ContainerFacts>, outcome: string, reason?: RegExp][] = [
  ['a plain container', {}, 'map'],
  ['the last id of the range', { highestID: 65535 }, 'map'],
  [
    'an id beyond the range',
    { highestID: 65536 },
    'refuse',
    /id 65536, and the pod has the ids 0-65535: .* with 131072 ids, by idsPerPod in the policy .*ids-per-pod\.userns\.nri\.io/,
  ],
  [
    'an id that no range has',
    { highestID: 4294967294 },
    'refuse',
    /0-65535: choose a lower .*supplementalGroups$/,
  ],
  [
    "the host's network",
    { hostNamespaces: ['network'] },
    'refuse',
    /network namespace.*take hostNetwork out/,
  ],
  ["the host's pids and ipc", { hostNamespaces: ['pid', 'ipc'] }, 'refuse', /hostPID, hostIPC/],
  ['a privileged container', { privileged: true }, 'refuse', /privileged: true/],
  ['a user namespace of its own', { hasUserNamespace: true }, 'skip', /of its own/],
  [
    "a user namespace of its own on the host's network",
    { hasUserNamespace: true, hostNamespaces: ['network'], privileged: true },
    'skip',
  ],
]

for (const [what, facts, outcome, reason] of cases) {
  t.test(`${what}: ${outcome}`, async (t) => {
    const admission = admit({ ...plain, ...facts }, 65536, strict)
    t.equal(admission.outcome, outcome)
    if (reason) t.match('reason' in admission && admission.reason, reason)
  })
}

t.test('a longer range has room for higher ids', async (t) => {
  t.equal(admit({ ...plain, highestID: 65536 }, 131072, strict).outcome, 'map')
})

const onHost = { hostNamespaces: ['network'] }
const privileged = { privileged: true }
const choices: [
  what: string,
  facts: Partial<ContainerFacts>,
  Partial<Choices>,
  outcome: string,
  by?: string,
][] = [
  ["the host's network, left alone", onHost, { hostNamespaces: 'skip' }, 'skip', 'hostNamespaces'],
  ["the host's network, the other choice", onHost, { privileged: 'skip' }, 'refuse', 'hostNamespaces'],
  ['privileged, left alone', privileged, { privileged: 'skip' }, 'skip', 'privileged'],
  ['privileged, the other choice', privileged, { hostNamespaces: 'skip' }, 'refuse', 'privileged'],
  ['both, one left alone', { ...onHost, ...privileged }, { privileged: 'skip' }, 'refuse', 'hostNamespaces'],
  ['both, the other', { ...onHost, ...privileged }, { hostNamespaces: 'skip' }, 'refuse', 'privileged'],
  [
    'both, left alone',
    { ...onHost, ...privileged },
    { hostNamespaces: 'skip', privileged: 'skip' },
    'skip',
    'hostNamespaces',
  ],
  [
    'left alone, whatever its ids',
    { ...onHost, highestID: 70000 },
    { hostNamespaces: 'skip' },
    'skip',
    'hostNamespaces',
  ],
  ['neither', {}, { hostNamespaces: 'skip', privileged: 'skip' }, 'map'],
]

for (const [what, facts, chosen, outcome, by] of choices) {
  t.test(`${what}: ${outcome}`, async (t) => {
    const admission = admit({ ...plain, ...facts }, 65536, { ...strict, ...chosen })
    t.equal(admission.outcome, outcome)
    t.equal('by' in admission ? admission.by : undefined, by)
  })
}

t.test('a container shares what its sandbox shares, and only that', async (t) => {
  const own = { ...plain, hostNamespaces: ['pid'], highestID: 7 }
  const sandbox = {
    ...plain,
    hostNamespaces: ['network', 'pid'],
    privileged: true,
    hasUserNamespace: true,
    highestID: 9,
  }
  t.strictSame(inSandbox(own, sandbox), {
    hostNamespaces: ['network', 'pid'],
    privileged: true,
    hasUserNamespace: false,
    highestID: 7,
  })
  t.strictSame(inSandbox({ ...plain, privileged: true }, plain), { ...plain, privileged: true })
})
