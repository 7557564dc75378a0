import t from 'tap'
import type { PodEntry } from '../../src/ledger/entry.js'
import { type Plan, reconcile, type Sources } from '../../src/ledger/reconcile.js'
import { BLOCK } from '../../src/ranges/range.js'
import { nth } from './scratch.js'

const entry = (podUID: string, n: number, ...ids: string[]): PodEntry => ({
  podUID,
  range: nth(n),
  since: new Date(0),
  sandboxes: new Map(ids.map((id) => [id, { id, bundle: `/${id}`, confirmed: false }])),
})
const a = entry('a', 0, 's1')
const unseen = {
  ...a,
  sandboxes: new Map([['s1', { id: 's1', bundle: '', confirmed: true }]]),
}
const twice = entry('a', 0, 's1', 's2')
const bare = entry('a', 0)
const WHOLE_HOST = { hostID: 0, length: 2 ** 32 - 1 }
const SUBIDS = { hostID: 100000, length: BLOCK }
const lives = (pid: number, ...ranges: { hostID: number; length: number }[]) => ({ pid, ranges })

const cases: [string, Partial<Sources> & { bundles?: string[] }, Partial<Plan>][] = [
  ['nothing anywhere', {}, {}],
  ['an orphan', { entries: [a] }, { release: [a] }],
  ['an orphan without sandboxes', { entries: [bare] }, { release: [bare] }],
  ['an orphan of two sandboxes', { entries: [twice] }, { release: [twice] }],
  ['listed', { entries: [a], runtime: [{ sandboxID: 's1', podUID: 'a' }], bundles: ['/s1'] }, {}],
  ['listed, and its bundle unknown', { entries: [unseen], runtime: [{ sandboxID: 's1', podUID: 'a' }] }, {}],
  ['its bundle unknown', { entries: [unseen] }, { release: [unseen] }],
  ['no list, but a bundle', { entries: [a], runtime: undefined, bundles: ['/s1'] }, {}],
  ['no list, and no bundle', { entries: [a], runtime: undefined }, { release: [a] }],
  ['no list, and its bundle unknown', { entries: [unseen], runtime: undefined }, {}],
  ['no list, and no sandbox recorded', { entries: [bare], runtime: undefined }, {}],
  ['listed, but over', { entries: [a], runtime: [{ sandboxID: 's1', podUID: 'a' }] }, { release: [a] }],
  [
    'listed, but over, while a process lives on',
    { entries: [a], runtime: [{ sandboxID: 's1', podUID: 'a' }], live: [lives(41, nth(0))] },
    {
      disagreements: [
        'process 41 lives in the id range 65536-131071 of pod a, of which the runtime has no sandbox: the range stays taken while it does',
      ],
    },
  ],
  [
    'its pod is listed with a sandbox that the ledger missed',
    { entries: [a], runtime: [{ sandboxID: 's9', podUID: 'a' }] },
    {},
  ],
  [
    'its pod is listed, no sandbox recorded',
    { entries: [bare], runtime: [{ sandboxID: 's1', podUID: 'a' }] },
    {},
  ],
  ['another pod is listed', { entries: [a], runtime: [{ sandboxID: 's9', podUID: 'b' }] }, { release: [a] }],
  ['in the middle of creation', { entries: [a], bundles: ['/s1'] }, {}],
  [
    'an old sandbox of two is gone',
    {
      entries: [twice],
      runtime: ['s1', 's2'].map((sandboxID) => ({ sandboxID, podUID: 'a' })),
      bundles: ['/s2'],
    },
    { dropSandboxes: ['s1'] },
  ],
  [
    'an old sandbox of two is gone, the new one comes',
    { entries: [twice], bundles: ['/s2'] },
    { dropSandboxes: ['s1'] },
  ],
  ['the old one has a bundle still', { entries: [twice], bundles: ['/s1', '/s2'] }, {}],
  [
    'a process lives on in the range',
    { entries: [a], live: [lives(41, nth(0)), lives(42, nth(0))] },
    {
      disagreements: [
        'process 41 lives in the id range 65536-131071 of pod a, of which the runtime has no sandbox: the range stays taken while it does',
      ],
    },
  ],
  [
    'its processes, in a sandbox that the ledger missed',
    { entries: [a], runtime: [{ sandboxID: 's9', podUID: 'a' }], live: [lives(41, nth(0))] },
    {},
  ],
  [
    'a process in a part of the range',
    { entries: [a], live: [lives(41, { hostID: BLOCK + 1000, length: 10 })], bundles: ['/s1'] },
    {},
  ],
  [
    'its own processes',
    {
      entries: [a],
      runtime: [{ sandboxID: 's1', podUID: 'a' }],
      live: [lives(41, nth(0))],
      bundles: ['/s1'],
    },
    {},
  ],
  ['the whole host', { entries: [a], live: [lives(1, WHOLE_HOST)] }, { release: [a] }],
  [
    'others',
    { live: [lives(7, SUBIDS, { hostID: 1000, length: 1 }), lives(8, SUBIDS), lives(1, WHOLE_HOST)] },
    {
      foreign: [
        { claim: 'user namespace 100000-165535', ranges: [SUBIDS] },
        { claim: 'user namespace 1000-1000', ranges: [{ hostID: 1000, length: 1 }] },
      ],
    },
  ],
  [
    'others who reach into a range of ours',
    {
      entries: [a],
      runtime: [{ sandboxID: 's1', podUID: 'a' }],
      live: [lives(7, SUBIDS)],
      bundles: ['/s1'],
    },
    {
      foreign: [{ claim: 'user namespace 100000-165535', ranges: [SUBIDS] }],
      disagreements: [
        'the user namespace of process 7, ids 100000-165535, reaches into the id range 65536-131071 of pod a: end one of the two, they share ids',
      ],
    },
  ],
  [
    'a process in the range of a pod that the ledger does not know',
    {
      entries: [a],
      runtime: [{ sandboxID: 's1', podUID: 'a' }],
      live: [lives(7, nth(5))],
      bundles: ['/s1'],
    },
    { foreign: [{ claim: 'user namespace 393216-458751', ranges: [nth(5)] }] },
  ],
]

for (const [name, { bundles = [], ...sources }, expected] of cases) {
  t.test(name, async (t) => {
    const plan = reconcile({
      entries: [],
      runtime: [],
      live: [],
      bundleExists: ({ bundle }) => bundles.includes(bundle),
      ...sources,
    })
    t.same(plan, { release: [], dropSandboxes: [], foreign: [], disagreements: [], ...expected })
  })
}
