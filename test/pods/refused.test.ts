import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { HANDLER, type Node, type PodOptions } from '../bed/index.js'
import { firstIDOf, idMap, onContainerd, runPod, SLEEP, until } from './on-containerd.js'

const untouched = async (t: Test, node: Node) => {
  t.strictSame(await node.list(), [], 'no range is owned')
  t.strictSame(await node.containerd.cri.pods(), [])
}

onContainerd('what is refused', async (t, node) => {
  const { cri } = node.containerd

  const hostPods: [string, Partial<PodOptions>, RegExp][] = [
    [
      'network',
      { hostNetwork: true },
      /pod default\/host can't be made: .*host's network namespace.*hostNetwork/,
    ],
    ['pid', { hostPID: true }, /pod default\/host can't be made: .*host's pid namespace.*hostPID/],
    ['ipc', { hostIPC: true }, /pod default\/host can't be made: .*host's ipc namespace.*hostIPC/],
    ['all three', { hostNetwork: true, hostPID: true, hostIPC: true }, /network, pid, ipc namespace/],
  ]
  for (const [what, options, reason] of hostPods)
    await t.test(`the host's ${what}, in words`, async (t) => {
      await t.rejects(cri.runPod({ name: 'host', handler: HANDLER, ...options }), { message: reason })
      await untouched(t, node)
    })

  await t.test('a privileged container', async (t) => {
    const options = { name: 'privileged', handler: HANDLER, privileged: true }
    if (node.containerd.version !== '1.7') {
      // Its sandbox is privileged too, and is refused as such.
      await t.rejects(cri.runPod(options), {
        message: /pod default\/privileged can't be made: it is privileged/,
      })
      return untouched(t, node)
    }
    const pod = await cri.runPod(options)
    await t.rejects(cri.runContainer(pod, { name: 'main', command: SLEEP, privileged: true }), {
      message: /container main of pod default\/privileged can't be made: it is privileged/,
    })
    const id = await cri.runContainer(pod, { name: 'other', command: SLEEP })
    t.equal((await cri.exec(id, 'id -u')).stdout, '0\n')
    await cri.removePod(pod.id)
    await untouched(t, node)
  })

  await t.test('ids beyond the range', async (t) => {
    const pod = await cri.runPod({ name: 'beyond', handler: HANDLER })
    for (const ids of [
      { name: 'user', runAsUser: 65536 },
      { name: 'group', runAsUser: 1, runAsGroup: 70000 },
      { name: 'groups', supplementalGroups: [65536] },
    ])
      await t.rejects(cri.runContainer(pod, { command: SLEEP, ...ids }), {
        message:
          /container (user|groups?) of pod default\/beyond .* id (65536|70000), and the pod has the ids 0-65535/,
      })
    await cri.removePod(pod.id)
    await untouched(t, node)
  })

  await t.test('a pod whose runtime fails after the daemon has prepared it', async (t) => {
    const conf = join(node.containerd.directory, 'nri-userns-runtime.conf')
    const failing = join(node.containerd.directory, 'failing-runtime')
    const script = `#!/bin/sh\ncase " $* " in *" create "*) exit 1;; esac\nexec ${node.containerd.runc} "$@"\n`
    await writeFile(failing, script, { mode: 0o755 })
    const settings = (runtime: string) => `runtime = ${runtime}\nsocket = ${node.runDirectory}/shim.sock\n`
    await writeFile(conf, settings(failing))
    await t.rejects(cri.runPod({ name: 'failing', handler: HANDLER }))
    await writeFile(conf, settings(node.containerd.runc))
    // The range goes with the runtime's delete, that nobody waits for.
    await until(async () => (await node.list()).length === 0)
    await untouched(t, node)
    t.ok((await node.events()).some(({ msg, pod }) => msg === 'range released' && pod === 'failing'))
    const again = await runPod(node, 'failing')
    await cri.removePod(again.id)
    await rm(failing)
  })

  await t.test('the reason is in the log, once', async (t) => {
    const refusals = (await node.events()).filter(
      ({ msg, pod }) => msg === 'sandbox refused' && pod === 'host',
    )
    t.equal(refusals.length, hostPods.length)
    t.match(refusals[0], { level: 'error', namespace: 'default', reason: /network/, durationMs: Number })
  })
})

onContainerd(
  'a node that is full',
  async (t, node) => {
    const { cri } = node.containerd
    const first = await runPod(node, 'first')
    const second = await runPod(node, 'second')
    await t.rejects(cri.runPod({ name: 'third', handler: HANDLER }), {
      message: /pod default\/third can't be made: .*2/,
    })
    await cri.removePod(first.id)
    const third = await runPod(node, 'third')
    t.equal((await node.list()).length, 2)
    await Promise.all([second, third].map(({ id }) => cri.removePod(id)))
    await untouched(t, node)
  },
  { ranges: { podLimit: 2 } },
)

onContainerd('other pods of the node', async (t, node) => {
  const { cri } = node.containerd
  const { firstID, count } = (await node.status()).ranges

  await t.test('one with a user namespace of its own is left alone, and its range avoided', async (t) => {
    // The range that would be next, as if the kubelet had been given the same ids.
    const hostID = firstID + count - 65536
    const pod = await cri.runPod({ name: 'native', handler: HANDLER, userns: { hostID, length: 65536 } })
    const id = await cri.runContainer(pod, { name: 'main', command: SLEEP })
    t.strictSame(await idMap(await cri.containerPid(id)), [[0, hostID, 65536]])
    t.strictSame(await node.list(), [])
    t.match(await node.status(), { ranges: { used: 0, avoided: 1 } })
    await cri.removePod(pod.id)
    t.match(await node.status(), { ranges: { used: 0, avoided: 0 } })
  })

  await t.test('so is one of another handler', async (t) => {
    const pod = await cri.runPod({ name: 'elsewhere', userns: { hostID: firstID, length: 65536 } })
    t.match(await node.status(), { ranges: { used: 0, avoided: 1 } })
    const ours = await runPod(node, 'ours')
    t.not(await firstIDOf(node, ours), firstID)
    await Promise.all([pod, ours].map(({ id }) => cri.removePod(id)))
    t.match(await node.status(), { ranges: { used: 0, avoided: 0 } })
  })

  await t.test('plain ones are not touched', async (t) => {
    const pod = await cri.runPod({ name: 'plain' })
    const id = await cri.runContainer(pod, { name: 'main', command: SLEEP })
    t.strictSame(await idMap(await cri.containerPid(id)), [[0, 0, 4294967295]])
    t.strictSame(await node.list(), [])
    await cri.removePod(pod.id)
  })
})
