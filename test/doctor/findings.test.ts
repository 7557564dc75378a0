import t from 'tap'
import { type Finding, findings, type Probes } from '../../src/doctor/findings.js'

const well: Probes = {
  kernel: '6.1.0-18-amd64',
  overlay: true,
  maxUserNamespaces: 1000,
  runtime: {
    settings: '/w.conf',
    path: '/usr/sbin/runc',
    version: 'runc version 1.3.6',
    features: { linux: { mountExtensions: { idmap: { enabled: true } } } },
  },
  nri: { path: '/nri.sock', state: 'listening' },
  daemon: { nriState: 'connected', free: 5 },
}

t.test('a node on which all is well', async (t) => {
  t.strictSame(
    findings(well).map(({ check, state }) => `${check}: ${state}`),
    ['kernel', 'user namespaces', 'root file systems', 'OCI runtime', 'volumes', 'NRI', 'daemon'].map(
      (check) => `${check}: ok`,
    ),
  )
  for (const { mend } of findings(well)) t.equal(mend, undefined)
})

const { runtime } = well
const cases: [what: string, change: Partial<Probes>, finding: Partial<Record<keyof Finding, unknown>>][] = [
  ['an old kernel', { kernel: '5.15.0' }, { check: 'kernel', state: 'fault', mend: /5\.19/ }],
  ['the first kernel that has it', { kernel: '5.19.0' }, { check: 'kernel', state: 'ok' }],
  ['a kernel without a patch level', { kernel: '7.0-rc1' }, { check: 'kernel', state: 'ok' }],
  [
    'no user namespaces',
    { maxUserNamespaces: 0 },
    { check: 'user namespaces', state: 'fault', mend: /sysctl/ },
  ],
  [
    'a file system that can not be mapped',
    { overlay: 'it lies on nfs' },
    { check: 'root file systems', state: 'fault', detail: 'it lies on nfs', mend: /ext4/ },
  ],
  [
    'no wrapper',
    { runtime: { ...runtime, path: undefined, version: undefined, features: undefined } },
    { check: 'OCI runtime', state: 'fault', detail: "/w.conf can't be read" },
  ],
  [
    'no runtime',
    { runtime: { ...runtime, version: undefined, features: undefined } },
    { check: 'OCI runtime', state: 'fault', detail: "/usr/sbin/runc can't be run", mend: /\/w\.conf/ },
  ],
  [
    'no runtime: volumes',
    { runtime: { ...runtime, version: undefined, features: undefined } },
    { check: 'volumes', state: 'warning' },
  ],
  [
    'runc 1.1, whose features have no such key',
    { runtime: { ...runtime, version: 'runc version 1.1.15', features: { linux: {} } } },
    { check: 'volumes', state: 'fault', mend: /runc 1\.2/ },
  ],
  [
    'a runtime that has it switched off',
    { runtime: { ...runtime, features: { linux: { mountExtensions: { idmap: { enabled: false } } } } } },
    { check: 'volumes', state: 'fault' },
  ],
  [
    'a runtime without features',
    { runtime: { ...runtime, features: undefined } },
    { check: 'volumes', state: 'fault' },
  ],
  [
    'no NRI',
    { nri: { path: '/n', state: 'missing' } },
    { check: 'NRI', state: 'warning', detail: /no socket \/n/ },
  ],
  [
    'a runtime that is away',
    { nri: { path: '/n', state: 'refused' } },
    { check: 'NRI', state: 'warning', detail: /nothing listens/ },
  ],
  ['no daemon', { daemon: undefined }, { check: 'daemon', state: 'fault' }],
  [
    'a full node',
    { daemon: { ...well.daemon!, free: 0 } },
    { check: 'daemon', state: 'fault', detail: /no range is free/ },
  ],
  [
    'a daemon without the runtime',
    { daemon: { ...well.daemon!, nriState: 'disconnected' } },
    { check: 'daemon', state: 'warning' },
  ],
]

for (const [what, change, expected] of cases)
  t.test(what, async (t) => {
    const found = findings({ ...well, ...change })
    t.match(
      found.find(({ check }) => check === expected.check),
      expected,
    )
  })
