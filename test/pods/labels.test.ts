import type { Test } from 'tap'
import { ContainerdLabels } from '../../src/containerd/labels.js'
import { HANDLER, type Node, type Pod, type PodOptions } from '../bed/index.js'
import { changeConfig, firstIDOf, idMap, onContainerd, reload, SLEEP } from './on-containerd.js'

const HOST_MAP = [[0, 0, 4294967295]]
const policy = {
  rules: [
    { match: { labels: { 'example.com/team': 'left-*' } }, outcome: 'skip' },
    { match: { labels: { app: 'no', tier: '*' } }, outcome: 'refuse', reason: 'not on this node' },
  ],
}

const ours = (node: Node, pod: Omit<PodOptions, 'handler'>) =>
  node.containerd.cri.runPod({ ...pod, handler: HANDLER })

const run = (node: Node, pod: Pod, name = 'main') =>
  node.containerd.cri.runContainer(pod, { name, command: SLEEP })

const mapOf = async ({ containerd: { cri } }: Node, container: string) =>
  idMap(await cri.containerPid(container))

onContainerd(
  'labels',
  async (t, node) => {
    const { cri } = node.containerd
    const isMapped = async (t: Test, pod: Pod) =>
      t.strictSame(await idMap(await cri.podPid(pod.id)), [[0, await firstIDOf(node, pod), 65536]])

    await t.test('leave a pod alone, with its containers, also those after a restart', async (t) => {
      const pod = await ours(node, { name: 'web', labels: { 'example.com/team': 'left-1' } })
      t.strictSame(await idMap(await cri.podPid(pod.id)), HOST_MAP)
      t.strictSame(await mapOf(node, await run(node, pod)), HOST_MAP)
      await node.daemon.end('SIGKILL')
      await node.startDaemon()
      t.strictSame(await mapOf(node, await run(node, pod, 'after')), HOST_MAP)
      t.match(
        (await node.events()).filter(({ msg }) => msg === 'container left alone'),
        [{ rule: 'policy.rules[0]' }, { rule: 'policy.rules[0]', container: 'after' }],
      )
      await cri.removePod(pod.id)
    })

    await t.test('refuse one, by all that the rule asks for', async (t) => {
      await t.rejects(ours(node, { name: 'web', labels: { app: 'no', tier: '' } }), {
        message: /pod default\/web can't be made: .* refuses it: not on this node \(policy\.rules\[1\]\)/,
      })
      const pod = await ours(node, { name: 'web', labels: { app: 'no' } })
      await isMapped(t, pod)
      await cri.removePod(pod.id)
    })

    await t.test('are those of the pod, not of its annotations or containers', async (t) => {
      const annotations = {
        'example.com/team': 'left-1',
        'io.kubernetes.cri-o.Labels': '{"example.com/team":"left-1"}',
      }
      const pod = await ours(node, { name: 'web', annotations })
      await isMapped(t, pod)
      await run(node, pod)
      await cri.removePod(pod.id)
    })

    await t.test('are known again after containerd was away', async (t) => {
      await node.containerd.restart()
      const pod = await ours(node, { name: 'web', labels: { 'example.com/team': 'left-1' } })
      t.strictSame(await idMap(await cri.podPid(pod.id)), HOST_MAP)
      await cri.removePod(pod.id)
    })

    await t.test('of a sandbox', async (t) => {
      const labels = new ContainerdLabels(node.containerd.socket)
      t.teardown(() => labels.close())
      const pod = await ours(node, { name: 'web', labels: { app: 'web' } })
      const times: number[] = []
      for (let i = 0; i < 21; i++) {
        const start = performance.now()
        t.match(await labels.ofSandbox(pod.id), { app: 'web', 'io.kubernetes.pod.name': 'web' })
        times.push(performance.now() - start)
        labels.forget(pod.id)
      }
      t.comment(
        `asked 21 times: median ${times.toSorted((a, b) => a - b)[10]!.toFixed(2)} ms, first ${times[0]!.toFixed(2)}`,
      )
      await t.rejects(labels.ofSandbox('nobody'), { message: /not found/ })
      t.equal(await labels.ofNewSandbox('nobody'), undefined)
      await cri.removePod(pod.id)
    })

    t.strictSame(await node.list(), [])
  },
  { config: { policy }, handlerSettings: { pod_annotations: ['*'] } },
)

onContainerd(
  'a containerd that can not be asked',
  async (t, node) => {
    const message =
      /pod default\/web can't be made: policy\.rules\[0\] is about labels of pods, and containerd.* asked on \/nowhere\/containerd\.sock \(.*ENOENT.*\): see that .*containerd\.socket/
    await t.rejects(ours(node, { name: 'web' }), { message })
    t.strictSame(await node.list(), [])

    await changeConfig(node, (config) => {
      config.policy = { rules: [{ match: { pod: 'web' }, outcome: 'skip' }] }
    })
    t.match(await reload(node), { msg: 'config reloaded' })
    const pod = await ours(node, { name: 'web' })
    t.strictSame(
      await idMap(await node.containerd.cri.podPid(pod.id)),
      HOST_MAP,
      'is not asked by other rules',
    )
    await node.containerd.cri.removePod(pod.id)
  },
  { config: { policy, containerd: { socket: '/nowhere/containerd.sock' } } },
)
