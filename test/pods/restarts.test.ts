import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { HANDLER, type Node, untilConnected } from '../bed/index.js'
import { firstIDOf, hostIDs, onContainerd, type RunningPod, runPod, SLEEP, until } from './on-containerd.js'

const rangesOf = async (node: Node) =>
  Object.fromEntries((await node.list()).map(({ uid, firstID }) => [uid, firstID]))

async function isAlive(node: Node, pod: RunningPod): Promise<boolean> {
  const { stdout } = await node.containerd.cri.exec(pod.containers.main!, 'id -u')
  return stdout === '0\n'
}

onContainerd('a daemon that is killed', async (t, node) => {
  const { cri } = node.containerd
  const pods = [await runPod(node, 'one'), await runPod(node, 'two')]
  const before = await rangesOf(node)
  t.equal(Object.keys(before).length, 2)
  const listed = await node.list()

  await node.daemon.end('SIGKILL')
  for (const pod of pods) t.ok(await isAlive(node, pod), 'its pods go on')

  const started = Date.now()
  await t.rejects(cri.runPod({ name: 'meanwhile', handler: HANDLER }), {
    message: /nri-userns: the daemon does not answer .*so the container was not made; is it running\?/,
  })
  t.ok(Date.now() - started < 5000, 'and not after a long wait')
  await t.rejects(cri.runContainer(pods[0]!, { name: 'late', command: SLEEP }), {
    message: /does not answer/,
  })

  await node.startDaemon()
  t.strictSame(await rangesOf(node), before, 'the same ranges')
  const known = (rows: typeof listed) => rows.map((row) => `${row.namespace}/${row.pod} ${row.state}`).sort()
  t.strictSame(known(await node.list()), known(listed), 'and all that was known of them')
  const late = await cri.runContainer(pods[0]!, { name: 'late', attempt: 1, command: SLEEP })
  t.equal((await hostIDs(await cri.containerPid(late)))[0], before[pods[0]!.uid])
  const meanwhile = await runPod(node, 'meanwhile')
  t.notOk(Object.values(before).includes((await firstIDOf(node, meanwhile))!))

  await t.test('while a pod is removed', async (t) => {
    await node.daemon.end('SIGKILL')
    await cri.removePod(pods[1]!.id)
    await node.startDaemon()
    const now = await rangesOf(node)
    t.notOk(pods[1]!.uid in now, 'its range is free')
    t.ok(pods[0]!.uid in now && meanwhile.uid in now)
    t.ok((await node.events()).some(({ msg, uid }) => msg === 'orphan released' && uid === pods[1]!.uid))
  })

  for (const { id } of [pods[0]!, meanwhile]) await cri.removePod(id)
  t.strictSame(await node.list(), [])
})

onContainerd('a daemon that is told to stop', async (t, node) => {
  const pod = await runPod(node, 'one')
  const before = await rangesOf(node)
  await node.daemon.end('SIGTERM')
  t.ok(await isAlive(node, pod))
  await node.startDaemon()
  t.strictSame(await rangesOf(node), before)
  t.match(
    (await node.events()).find(({ msg }) => msg === 'stopped'),
    { level: 'info' },
  )
  await node.containerd.cri.removePod(pod.id)
  t.strictSame(await node.list(), [])
})

onContainerd('a containerd that is restarted', async (t, node) => {
  const { cri } = node.containerd
  const pod = await runPod(node, 'one')
  const removed = await runPod(node, 'two')
  const before = await rangesOf(node)
  await node.containerd.kill()
  await until(async () => (await node.status()).nri.state === 'disconnected')
  t.match((await node.status()).nri.reason, /NRI socket|connection|runtime/i)
  await node.containerd.start()
  await untilConnected(node)
  t.strictSame(await rangesOf(node), before)
  t.ok(await isAlive(node, pod))
  await cri.removePod(removed.id)
  t.strictSame(Object.keys(await rangesOf(node)), [pod.uid], 'removals are heard of again')
  const third = await runPod(node, 'three')
  for (const { id } of [pod, third]) await cri.removePod(id)
  t.strictSame(await node.list(), [])

  await t.test('between the stop and the removal of a pod', async (t) => {
    const pod = await runPod(node, 'four')
    await cri.stopPod(pod.id)
    t.match(await node.list(), [{ uid: pod.uid, state: 'stopped' }])
    await node.containerd.restart()
    await until(async () => (await node.status()).nri.state === 'connected')
    // Its removal will not be told of, and it can't run again.
    t.strictSame(await node.list(), [])
    await cri.removePod(pod.id)
  })

  await t.test('when a pod has two sandboxes', async (t) => {
    const first = await runPod(node, 'five')
    const second = await runPod(node, 'five', ['main'], { uid: first.uid, attempt: 1 })
    await node.containerd.restart()
    await untilConnected(node)
    await cri.removePod(first.id)
    t.match(await node.list(), [{ uid: first.uid, state: 'running' }])
    await cri.removePod(second.id)
    t.strictSame(await node.list(), [])
  })

  await t.test('a delete that fails, as the container runs, frees nothing', async (t) => {
    const pod = await runPod(node, 'six')
    await node.containerd.restart()
    await untilConnected(node)
    const shim = join(node.containerd.directory, 'nri-userns-runtime')
    const root = join(node.containerd.directory, 'runtime/k8s.io')
    await t.rejects(promisify(execFile)(shim, ['--root', root, 'delete', pod.id]), { message: /not stopped/ })
    await sleep(300)
    t.match(await node.list(), [{ uid: pod.uid }])
    await cri.removePod(pod.id)
    t.strictSame(await node.list(), [])
  })
})

onContainerd(
  'a daemon that containerd starts as its plugin',
  async (t, node) => {
    const pod = await runPod(node, 'one')
    const firstID = await firstIDOf(node, pod)
    t.equal((await hostIDs(await node.containerd.cri.containerPid(pod.containers.main!)))[0], firstID)
    const { pid } = await node.status()
    await node.containerd.restart()
    await untilConnected(node)
    t.not((await node.status()).pid, pid, 'a new containerd starts a new one')
    t.equal(await firstIDOf(node, pod), firstID)
    await node.containerd.cri.removePod(pod.id)
    t.strictSame(await node.list(), [])
  },
  { preinstalled: true },
)

onContainerd('a second daemon on a node', async (t, node) => {
  const pod = await runPod(node, 'one')
  const before = await rangesOf(node)
  const second = execFile(process.execPath, ['dist/cli/index.js', 'daemon', '--config', node.configPath])
  let said = ''
  second.stderr!.on('data', (text: string) => {
    said += text
  })
  const [code] = await once(second, 'exit')
  t.equal(code, 1)
  t.match(said, /^nri-userns: .*another daemon listens on .*admin\.sock/)
  t.strictSame(await rangesOf(node), before)
  const next = await runPod(node, 'two')
  for (const { id } of [pod, next]) await node.containerd.cri.removePod(id)
})

onContainerd(
  'a daemon that is switched off',
  async (t, node) => {
    const { cri } = node.containerd
    const pod = await cri.runPod({ name: 'plain', handler: HANDLER, hostNetwork: true })
    const id = await cri.runContainer(pod, { name: 'main', command: SLEEP })
    t.equal((await hostIDs(await cri.containerPid(id)))[0], 0, 'pods pass untouched')
    t.match(await node.status(), { enabled: false, nri: { state: 'off' }, ranges: { used: 0 } })
    t.strictSame(await node.list(), [])
    await t.rejects(
      readFile(join(node.stateDirectory, 'pods')),
      { code: 'ENOENT' },
      'no disk is read or written',
    )
    await cri.removePod(pod.id)
  },
  { config: { enabled: false } },
)
