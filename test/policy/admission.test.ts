import t from 'tap'
import { admit, type ContainerFacts } from '../../src/policy/admission.js'

const plain: ContainerFacts = { hostNamespaces: [], privileged: false, hasUserNamespace: false, highestID: 0 }

const cases: [what: string, facts: Partial<ContainerFacts>, outcome: string, reason?: RegExp][] = [
  ['a plain container', {}, 'map'],
  ['the last id of the range', { highestID: 65535 }, 'map'],
  ['an id beyond the range', { highestID: 65536 }, 'refuse', /id 65536, and a pod has the ids 0-65535/],
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
    const admission = admit({ ...plain, ...facts }, 65536)
    t.equal(admission.outcome, outcome)
    if (reason) t.match('reason' in admission && admission.reason, reason)
  })
}

t.test('a longer range has room for higher ids', async (t) => {
  t.equal(admit({ ...plain, highestID: 65536 }, 131072).outcome, 'map')
})
