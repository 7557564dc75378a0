import t from 'tap'
import type { IdmapSupport } from '../../src/kernel/work.js'
import { factsOf, mappedRanges } from '../../src/oci/facts.js'
import { identify } from '../../src/oci/identity.js'
import { planContainer, type Surroundings } from '../../src/oci/plan.js'
import type { Spec } from '../../src/oci/spec.js'

const range = { hostID: 131072, length: 65536 }
const surroundings: Surroundings = {
  bundle: '/run/b',
  range,
  sysfs: '/run/sysfs/s1',
  volumes: new Map([['/etc/resolv.conf', 'mount']]),
}
const mappings = [{ containerID: 0, hostID: 131072, size: 65536 }]

const annotations = (type: string) => ({
  'io.kubernetes.cri.container-type': type,
  'io.kubernetes.cri.sandbox-id': 's1',
})

const sandbox: Spec = {
  ociVersion: '1.2.0',
  annotations: annotations('sandbox'),
  process: { args: ['/pause'], user: { uid: 0, gid: 0 } },
  root: { path: 'rootfs', readonly: true },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
    { destination: '/dev/shm', type: 'bind', source: '/run/shm', options: ['rbind', 'ro'] },
    {
      destination: '/etc/resolv.conf',
      type: 'bind',
      source: '/var/resolv.conf',
      options: ['rbind', 'ro'],
      extra: 1,
    },
  ],
  linux: {
    namespaces: [{ type: 'pid' }, { type: 'ipc' }, { type: 'network', path: '/run/netns/n1' }],
    sysctl: { 'net.ipv4.ip_unprivileged_port_start': '0', 'kernel.shm_rmid_forced': '1' },
    seccomp: { defaultAction: 'SCMP_ACT_ERRNO' },
  },
}

const container: Spec = {
  ...sandbox,
  annotations: annotations('container'),
  linux: {
    namespaces: [
      { type: 'pid' },
      { type: 'ipc', path: '/proc/42/ns/ipc' },
      { type: 'network', path: '/proc/42/ns/net' },
    ],
  },
}

const plan = (spec: Spec) => planContainer(spec, identify(spec, 's1'), surroundings)
const written = (spec: Spec): Spec => {
  const last = plan(spec).at(-1)!
  if (last.kind !== 'replaceFile') throw new Error('config.json must be replaced last')
  return JSON.parse(last.text)
}

t.test('a sandbox: the work, in its order', async (t) => {
  t.match(plan(sandbox), [
    { kind: 'openBundle', bundle: '/run/b', gid: 131072 },
    { kind: 'mapRootfs', rootfs: '/run/b/rootfs', range },
    {
      kind: 'writeSysctls',
      netns: '/run/netns/n1',
      sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '131072 196607' },
    },
    { kind: 'mountSysfs', netns: '/run/netns/n1', target: '/run/sysfs/s1' },
    { kind: 'replaceFile', path: '/run/b/config.json' },
  ])
  t.equal(plan(sandbox).length, 5)
})

t.test('a sandbox: the specification', async (t) => {
  t.same(written(sandbox), {
    ...sandbox,
    mounts: [
      sandbox.mounts![0],
      {
        destination: '/sys',
        type: 'bind',
        source: '/run/sysfs/s1',
        options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'],
      },
      sandbox.mounts![2],
      { ...sandbox.mounts![3], uidMappings: mappings, gidMappings: mappings },
    ],
    linux: {
      ...sandbox.linux,
      namespaces: [...sandbox.linux!.namespaces!, { type: 'user' }],
      uidMappings: mappings,
      gidMappings: mappings,
      sysctl: { 'kernel.shm_rmid_forced': '1' },
    },
  })
})

t.test('volumes: as much of them is mapped as the kernel can', async (t) => {
  const bind = { destination: '/data', type: 'bind', source: '/srv', options: ['rbind', 'ro'] }
  const other = { ...bind, destination: '/other' }
  const spec = { ...container, mounts: [bind, other] }
  const mounts = (support: [string, IdmapSupport][]) => {
    const works = planContainer(spec, identify(spec, 's1'), { ...surroundings, volumes: new Map(support) })
    const last = works.at(-1)!
    return last.kind === 'replaceFile' ? JSON.parse(last.text).mounts : []
  }
  const mapped = { ...bind, uidMappings: mappings, gidMappings: mappings }
  t.strictSame(mounts([['/data', 'tree']]), [{ ...mapped, options: ['rbind', 'ro', 'ridmap'] }, other])
  t.strictSame(mounts([['/data', 'mount']]), [mapped, other])
  t.strictSame(mounts([['/data', 'none']]), [bind, other])
})

t.test("a container joins its sandbox's user namespace", async (t) => {
  t.match(written(container).linux!.namespaces, [{}, {}, {}, { type: 'user', path: '/proc/42/ns/user' }])
})

t.test('a container that names no process of its sandbox is refused', async (t) => {
  const spec = { ...container, linux: { namespaces: [{ type: 'ipc', path: '/run/ipc' }] } }
  t.throws(() => plan(spec), { message: /which namespaces of its sandbox/ })
})

t.test('a netns that the runtime makes needs no help', async (t) => {
  const spec = { ...sandbox, linux: { ...sandbox.linux, namespaces: [{ type: 'network' }] } }
  t.notOk(plan(spec).some(({ kind }) => kind === 'mountSysfs' || kind === 'writeSysctls'))
  t.same(written(spec).linux!.sysctl, sandbox.linux!.sysctl)
  t.same(written(spec).mounts![1], sandbox.mounts![1])
})

t.test('the given specification is not changed', async (t) => {
  const before = JSON.stringify(sandbox)
  plan(sandbox)
  t.equal(JSON.stringify(sandbox), before)
})

t.test('facts', async (t) => {
  t.same(factsOf(sandbox), { hostNamespaces: [], privileged: false, hasUserNamespace: false, highestID: 0 })
  t.same(factsOf({ linux: {} }).hostNamespaces, ['network', 'pid', 'ipc'])
  const sys = { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'rw'] }
  t.ok(factsOf({ ...sandbox, mounts: [sys] }).privileged)
  t.equal(factsOf({ process: { user: { uid: 1, gid: 2, additionalGids: [3, 70000] } } }).highestID, 70000)
  const native = { linux: { namespaces: [{ type: 'user' }], uidMappings: mappings, gidMappings: mappings } }
  t.ok(factsOf(native).hasUserNamespace)
  t.same(mappedRanges(native), [range, range])
})

t.test(
  'a netns that the pod owns: it joins its owner, mounts its own sysfs and sets its own sysctls',
  async (t) => {
    const owned = { ...surroundings, networkOwner: '/run/userns/s1' }
    const works = planContainer(sandbox, identify(sandbox, 's1'), owned)
    t.strictSame(
      works.map(({ kind }) => kind),
      ['openBundle', 'mapRootfs', 'replaceFile'],
    )
    const last = works.at(-1)!
    const spec: Spec = last.kind === 'replaceFile' ? JSON.parse(last.text) : {}
    t.match(spec.linux?.namespaces, [{}, {}, {}, { type: 'user', path: '/run/userns/s1' }])
    t.strictSame(spec.linux?.sysctl, sandbox.linux?.sysctl)
    t.strictSame(
      spec.mounts?.filter(({ type }) => type === 'sysfs'),
      sandbox.mounts?.filter(({ type }) => type === 'sysfs'),
    )
  },
)

const pingGroups: [given: string | undefined, owned: string | undefined, shared: string][] = [
  [undefined, undefined, '131072 196607'],
  ['0 2147483647', '0 65535', '131072 196607'],
  ['0 0', '0 0', '131072 131072'],
  ['1000\t2000', '1000 2000', '132072 133072'],
  ['1 0', '1 0', '1 0'],
  ['rubbish', 'rubbish', '131072 196607'],
]

for (const [given, owned, shared] of pingGroups)
  t.test(`ping_group_range ${given}`, async (t) => {
    const name = 'net.ipv4.ping_group_range'
    const asked: Spec = {
      ...sandbox,
      linux: { ...sandbox.linux, sysctl: given === undefined ? {} : { [name]: given } },
    }
    const works = planContainer(asked, identify(asked, 's1'), {
      ...surroundings,
      networkOwner: '/run/userns/s1',
    })
    const last = works.at(-1)!
    const spec: Spec = last.kind === 'replaceFile' ? JSON.parse(last.text) : {}
    t.equal(spec.linux?.sysctl?.[name], owned)
    const write = plan(asked).find(({ kind }) => kind === 'writeSysctls')
    t.match(write, { sysctls: { [name]: shared } })
  })
