import { readFile, writeFile } from 'node:fs/promises'
import type { Test } from 'tap'
import { HANDLER, type LogEvent, type Node, type Pod, type PodOptions } from '../bed/index.js'
import { changeConfig, firstIDOf, idMap, onContainerd, reload, runPod, SLEEP } from './on-containerd.js'

const HOST_MAP = [[0, 0, 4294967295]]
const ASK = 'outcome.userns.nri.io'

const policy = {
  default: { outcome: 'map', allow: ['skip'] },
  hostNamespaces: 'skip',
  privileged: 'skip',
  rules: [
    { match: { namespace: 'left-*' }, outcome: 'skip' },
    { match: { namespace: ['refused'] }, outcome: 'refuse', reason: 'this node is for the payment team' },
    { match: { pod: 'users-*', user: 'root' }, outcome: 'refuse', reason: 'set runAsUser' },
    { match: { pod: 'half-*', user: 'root' }, outcome: 'skip' },
    { match: { annotations: { 'example.com/strict': 'y*' } }, outcome: 'map' },
  ],
}
const options = {
  config: { policy },
  handlerSettings: { pod_annotations: [ASK, 'example.com/*'] },
}

const ours = (node: Node, pod: Omit<PodOptions, 'handler'>) =>
  node.containerd.cri.runPod({ ...pod, handler: HANDLER })

const run = (node: Node, pod: Pod, name = 'main', more: { privileged?: boolean; runAsUser?: number } = {}) =>
  node.containerd.cri.runContainer(pod, { name, command: SLEEP, ...more })

async function mapOf({ containerd: { cri } }: Node, container: string): Promise<number[][]> {
  return idMap(await cri.containerPid(container))
}

/** Its sandbox and these containers run as they would without nri-userns, and no range is theirs. */
async function isLeftAlone(t: Test, node: Node, pod: Pod, containers: readonly string[]): Promise<void> {
  t.strictSame(await idMap(await node.containerd.cri.podPid(pod.id)), HOST_MAP)
  for (const container of containers) t.strictSame(await mapOf(node, container), HOST_MAP)
  t.equal(await firstIDOf(node, pod), undefined)
}

async function isMapped(t: Test, node: Node, pod: Pod, containers: readonly string[]): Promise<void> {
  const map = [[0, await firstIDOf(node, pod), 65536]]
  t.strictSame(await idMap(await node.containerd.cri.podPid(pod.id)), map)
  for (const container of containers) t.strictSame(await mapOf(node, container), map)
}

const eventsOf = async (node: Node, msg: string): Promise<LogEvent[]> =>
  (await node.events()).filter((event) => event.msg === msg)

onContainerd(
  'a policy',
  async (t, node) => {
    const { cri } = node.containerd

    await t.test('leaves a namespace alone', async (t) => {
      const pod = await ours(node, { name: 'web', namespace: 'left-1' })
      const containers = [await run(node, pod)]
      await node.daemon.end('SIGKILL')
      await node.startDaemon()
      containers.push(await run(node, pod, 'after-a-restart'))
      await isLeftAlone(t, node, pod, containers)
      t.match(await eventsOf(node, 'sandbox left alone'), [
        { pod: 'web', namespace: 'left-1', rule: 'policy.rules[0]', reason: /leaves it alone/ },
      ])
      t.equal((await eventsOf(node, 'container left alone')).length, 2)
      await cri.removePod(pod.id)
    })

    await t.test('refuses one, for the reason of the admin', async (t) => {
      await t.rejects(ours(node, { name: 'web', namespace: 'refused' }), {
        message:
          /pod refused\/web can't be made: the policy of this node refuses it: this node is for the payment team \(policy\.rules\[1\]\)/,
      })
    })

    await t.test('maps the others', async (t) => {
      const pod = await runPod(node, 'other')
      await isMapped(t, node, pod, Object.values(pod.containers))
      await cri.removePod(pod.id)
    })

    for (const host of ['hostNetwork', 'hostPID', 'hostIPC'] as const)
      await t.test(`leaves a pod with ${host} alone`, async (t) => {
        const pod = await ours(node, { name: 'host', [host]: true })
        await isLeftAlone(t, node, pod, [await run(node, pod)])
        t.match((await eventsOf(node, 'container left alone')).at(-1), { rule: 'policy.hostNamespaces' })
        await cri.removePod(pod.id)
      })

    await t.test('leaves a privileged pod alone, with all of its containers', async (t) => {
      // containerd 1.7 doesn't tell of the sandbox that it is privileged: there it takes a rule.
      const byRule = node.containerd.version === '1.7' ? { namespace: 'left-2' } : {}
      const pod = await ours(node, { name: 'privileged', privileged: true, ...byRule })
      const containers = [await run(node, pod, 'first', { privileged: true }), await run(node, pod, 'second')]
      await isLeftAlone(t, node, pod, containers)
      await cri.removePod(pod.id)
    })

    await t.test('makes no privileged container in a pod that is mapped', async (t) => {
      const is17 = node.containerd.version === '1.7'
      const pod = await ours(node, { name: 'late', privileged: is17 })
      const message = is17
        ? /left alone \(it is privileged.*runs in an id range: delete the pod.*leave the whole pod alone by a rule/
        : // containerd's own check, which is before ours.
          /no privileged container allowed in sandbox/
      await t.rejects(run(node, pod, 'main', { privileged: true }), { message })
      await isMapped(t, node, pod, [await run(node, pod, 'plain')])
      await cri.removePod(pod.id)
    })

    await t.test('hears what a pod asks for', async (t) => {
      const pod = await ours(node, { name: 'asks', annotations: { [ASK]: 'skip' } })
      await isLeftAlone(t, node, pod, [await run(node, pod)])
      await cri.removePod(pod.id)

      const requests: [string, Record<string, string>, RegExp][] = [
        ['refuse', {}, /asks for refuse, which policy\.default does not allow/],
        ['skipp', {}, /is "skipp", which is none of map, skip, refuse/],
        ['skip', { 'example.com/strict': 'yes' }, /asks for skip, which policy\.rules\[4\] does not allow/],
      ]
      for (const [wanted, annotations, message] of requests)
        await t.rejects(ours(node, { name: 'asks', annotations: { ...annotations, [ASK]: wanted } }), {
          message,
        })
    })

    await t.test('tells containers by whom they start as', async (t) => {
      const pod = await ours(node, { name: 'users-1' })
      await t.rejects(run(node, pod), {
        message: /container main of pod default\/users-1 .*refuses it: set runAsUser/,
      })
      await isMapped(t, node, pod, [await run(node, pod, 'user', { runAsUser: 1000 })])
      await cri.removePod(pod.id)
    })

    await t.test('leaves no container alone of a pod that is mapped', async (t) => {
      const pod = await ours(node, { name: 'half-1' })
      await t.rejects(run(node, pod), { message: /left alone \(policy\.rules\[3\].*runs in an id range/ })
      await isMapped(t, node, pod, [await run(node, pod, 'user', { runAsUser: 1000 })])
      await cri.removePod(pod.id)
    })

    t.strictSame(await node.list(), [])
  },
  options,
)

onContainerd(
  'a policy that changes while the daemon runs',
  async (t, node) => {
    const { cri } = node.containerd
    const mapped = await runPod(node, 'mapped')
    const left = await ours(node, { name: 'left', namespace: 'left-1' })
    const leftContainer = await run(node, left)

    await changeConfig(node, (config) => {
      config.policy = {
        default: { outcome: 'skip' },
        rules: [{ match: { namespace: 'left-1' }, outcome: 'map' }],
      }
      config.log = { format: 'json', level: 'warn' }
    })
    t.match(await reload(node), { msg: 'config reloaded', level: 'info', changed: 'policy, log.level' })

    await t.test('holds for new pods', async (t) => {
      const pod = await ours(node, { name: 'new' })
      await isLeftAlone(t, node, pod, [await run(node, pod)])
      await cri.removePod(pod.id)
      const other = await ours(node, { name: 'new', namespace: 'left-1' })
      await isMapped(t, node, other, [await run(node, other)])
      await cri.removePod(other.id)
      t.notOk(
        (await node.events()).some(({ msg, pod }) => msg === 'sandbox mapped' && pod === 'new'),
        'nor info',
      )
    })

    await t.test('leaves running ones as they are, and makes no container that differs', async (t) => {
      await t.rejects(run(node, mapped, 'late'), { message: /runs in an id range: delete the pod/ })
      await t.rejects(run(node, left, 'late'), { message: /its sandbox has no id range .*: delete the pod/ })
      await isMapped(t, node, mapped, Object.values(mapped.containers))
      await isLeftAlone(t, node, left, [leftContainer])
    })

    await t.test('stays when the file is faulty, or another key has changed', async (t) => {
      const good = await readFile(node.configPath, 'utf8')
      await changeConfig(node, (config) => {
        config.policy = { default: { outcome: 'map' }, rulez: [] }
      })
      t.match(await reload(node), {
        msg: 'config not reloaded',
        level: 'error',
        reason: /config\.yaml:\d+:3: unknown key "rulez" in policy; did you mean "rules"\?/,
      })
      await changeConfig(node, (config) => {
        config.policy = { default: { outcome: 'map' } }
        config.stateDirectory = '/elsewhere'
      })
      t.match(await reload(node), {
        msg: 'config not reloaded',
        reason: /stateDirectory \(.* before, \/elsewhere now\): restart the daemon, or take that change back/,
      })
      const pod = await ours(node, { name: 'still' })
      await isLeftAlone(t, node, pod, [await run(node, pod)])
      await cri.removePod(pod.id)
      await writeFile(node.configPath, good)
      t.match(await reload(node), { msg: 'config reloaded', changed: 'nothing' })
    })

    await t.test('a pod that is made anew follows it', async (t) => {
      await cri.removePod(mapped.id)
      await cri.removePod(left.id)
      t.strictSame(await node.list(), [])
      const anew = await ours(node, { name: 'mapped' })
      await isLeftAlone(t, node, anew, [await run(node, anew)])
      await cri.removePod(anew.id)
    })

    await t.test('a sandbox that is left alone of a pod that has a range still', async (t) => {
      const first = await ours(node, { name: 'twice', namespace: 'left-1' })
      await changeConfig(node, (config) => {
        config.policy = { default: { outcome: 'skip' } }
      })
      await reload(node)
      const second = await ours(node, { name: 'twice', namespace: 'left-1', uid: first.uid, attempt: 1 })
      const container = await run(node, second)
      t.strictSame(await mapOf(node, container), HOST_MAP)
      t.match(await node.list(), [{ uid: first.uid, sandboxes: [first.id] }])
      await cri.removePod(first.id)
      t.strictSame(await node.list(), [])
      await cri.removePod(second.id)
    })
  },
  options,
)
