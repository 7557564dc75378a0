import t from 'tap'
import { type CniInput, parseCall, printResult } from '../../src/cni/call.js'

const input: CniInput = {
  command: 'ADD',
  containerID: 'sandbox-1',
  netns: '/run/netns/x',
  ifName: 'eth0',
  args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=uid-1;K8S_POD_INFRA_CONTAINER_ID=sandbox-1',
  config: '{"cniVersion":"1.0.0","name":"n","type":"nri-userns-cni"}',
}
const withConfig = (config: object) => JSON.stringify({ cniVersion: '1.0.0', ...config })

t.test('an attachment', async (t) => {
  const expected = {
    cniVersion: '1.0.0',
    sandboxID: 'sandbox-1',
    netns: '/run/netns/x',
    pod: { uid: 'uid-1', namespace: 'shop', name: 'web' },
    annotations: {},
    prevResult: undefined,
  }
  for (const command of ['ADD', 'CHECK', 'DEL'])
    t.strictSame(parseCall({ ...input, command }), { command, ...expected })
  t.match(parseCall({ ...input, command: 'DEL', netns: '' }), { netns: undefined })
  t.match(parseCall({ ...input, args: '' }), { pod: { uid: 'sandbox-1' } }, 'of no pod')
  t.match(parseCall({ ...input, args: 'K8S_POD_UID=;x;=y' }), { pod: { uid: 'sandbox-1' } })
  for (const cniVersion of ['0.4.0', '1.1.0'])
    t.match(parseCall({ ...input, config: withConfig({ cniVersion }) }), { cniVersion })
})

t.test('the node', async (t) => {
  const bare = { ...input, containerID: '', netns: '', ifName: '', args: '' }
  t.match(parseCall({ ...bare, command: 'STATUS' }), { command: 'STATUS' })
  const attachments = [
    { containerID: 'a', ifname: 'eth0' },
    { containerID: 'b', ifname: 'eth0' },
  ]
  t.strictSame(
    parseCall({ ...bare, command: 'GC', config: withConfig({ 'cni.dev/valid-attachments': attachments }) }),
    {
      command: 'GC',
      cniVersion: '1.0.0',
      validSandboxes: new Set(['a', 'b']),
    },
  )
})

const bad: [what: string, change: Partial<CniInput>, reason: RegExp][] = [
  ['no command', { command: '' }, /^CNI_COMMAND is ""/],
  ['an unknown command', { command: 'add' }, /^CNI_COMMAND is "add"/],
  ['no configuration', { config: '' }, /^the configuration on stdin is not JSON/],
  ['half a configuration', { config: '{"cniVersion":' }, /not JSON/],
  ['a list', { config: '[]' }, /not a JSON object/],
  ['no version', { config: '{}' }, /^the conflist's cniVersion is undefined, and must be one of 0\.4\.0/],
  ['an old version', { config: withConfig({ cniVersion: '0.3.1' }) }, /cniVersion is "0\.3\.1"/],
  ['a version that is no text', { config: withConfig({ cniVersion: 1 }) }, /cniVersion is 1/],
  ['no container', { containerID: '' }, /^CNI_CONTAINERID is ""/],
  ['a path for a container', { containerID: '../x' }, /^CNI_CONTAINERID is "\.\.\/x"/],
  ['no netns', { netns: '' }, /^CNI_NETNS is ""/],
  ['a relative netns', { netns: 'run/netns', command: 'DEL' }, /^CNI_NETNS is "run\/netns"/],
  ['GC without a list', { command: 'GC' }, /^cni\.dev\/valid-attachments must be a list/],
  [
    'GC with a list of rubbish',
    { command: 'GC', config: withConfig({ 'cni.dev/valid-attachments': [{ id: 'a' }] }) },
    /^cni\.dev\/valid-attachments must be a list/,
  ],
]

for (const [what, change, reason] of bad)
  t.test(`refused: ${what}`, async (t) => {
    t.throws(() => parseCall({ ...input, ...change }), { message: reason })
  })

t.test('the result is that of the plugins before', async (t) => {
  const print = (config: object) => {
    const call = parseCall({ ...input, config: withConfig(config) })
    return JSON.parse(printResult(call as Parameters<typeof printResult>[0]))
  }
  t.strictSame(print({}), { cniVersion: '1.0.0', interfaces: [], ips: [], routes: [], dns: {} })
  const prevResult = { cniVersion: '1.0.0', interfaces: [{ name: 'eth0' }] }
  t.strictSame(print({ prevResult }), prevResult)
})

t.test("a pod's annotations come by the capability", async (t) => {
  const annotationsOf = (runtimeConfig: unknown) => {
    const call = parseCall({ ...input, config: withConfig({ runtimeConfig }) })
    return 'annotations' in call ? call.annotations : undefined
  }
  const capability = 'io.kubernetes.cri.pod-annotations'
  t.strictSame(annotationsOf({ [capability]: { a: 'x', b: '' } }), { a: 'x', b: '' })
  t.strictSame(annotationsOf({ [capability]: { a: 'x', b: 1 } }), { a: 'x' })
  for (const none of [undefined, null, [], {}, { [capability]: null }, { [capability]: ['a'] }])
    t.strictSame(annotationsOf(none), {})
})
