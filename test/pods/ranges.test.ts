import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { HANDLER, mountsBelow, type Node } from '../bed/index.js'
import {
  firstIDOf,
  hostIDs,
  idMap,
  mountPoints,
  onContainerd,
  processesBelow,
  runPod,
} from './on-containerd.js'

onContainerd('a pod with two sandboxes', async (t, node) => {
  const { cri } = node.containerd
  const first = await runPod(node, 'twice')
  const firstID = await firstIDOf(node, first)
  await cri.stopPod(first.id)
  t.match(await node.list(), [{ state: 'stopped', firstID }])
  const second = await runPod(node, 'twice', ['main'], { uid: first.uid, attempt: 1 })
  t.match(await node.list(), [{ state: 'running', firstID, sandboxes: { length: 2 } }], 'has one range')
  t.strictSame(await idMap(await cri.podPid(second.id)), [[0, firstID, 65536]])
  await cri.removePod(first.id)
  t.match(
    await node.list(),
    [{ state: 'running', firstID, sandboxes: [second.id] }],
    'until the last is gone',
  )
  await cri.removePod(second.id)
  t.strictSame(await node.list(), [])
})

onContainerd('the record of a range', async (t, node) => {
  const pod = await runPod(node, 'recorded')
  const file = join(node.stateDirectory, 'pods', pod.uid, 'userns')
  const mappings = [{ hostId: await firstIDOf(node, pod), containerId: 0, length: 65536 }]
  t.strictSame(JSON.parse(await readFile(file, 'utf8')), { uidMappings: mappings, gidMappings: mappings })
  await node.containerd.cri.removePod(pod.id)
  t.strictSame(await readdir(join(node.stateDirectory, 'pods')), [])
})

onContainerd('a hundred pods, eight at a time', async (t, node) => {
  const { containerd, runDirectory } = node
  const { cri } = containerd
  const mountsBefore = await mountPoints(node)
  const runBefore = await filesBelow('/run')
  const ownRunBefore = await filesBelow(runDirectory)

  const owners = new Map<number, string>()
  const faults: string[] = []
  async function live(number: number): Promise<void> {
    const pod = await runPod(node, `pod-${number}`, ['main', 'side'])
    const pids = [
      await cri.podPid(pod.id),
      ...(await Promise.all(Object.values(pod.containers).map((id) => cri.containerPid(id)))),
    ]
    const maps = await Promise.all(pids.map((pid) => idMap(pid)))
    const firstID = maps[0]![0]![1]!
    const owner = owners.get(firstID)
    if (owner) faults.push(`pod-${number} and ${owner} share ${firstID}`)
    owners.set(firstID, `pod-${number}`)
    if (maps.some((map) => `${map}` !== `0,${firstID},65536`))
      faults.push(`pod-${number} has ${JSON.stringify(maps)}`)
    for (const pid of await processesBelow(pids)) {
      const ids = [...(await hostIDs(pid, 'Uid')), ...(await hostIDs(pid, 'Gid'))]
      if (ids.some((id) => id !== firstID)) faults.push(`a process of pod-${number} is ${ids}`)
    }
    owners.delete(firstID)
    await cri.removePod(pod.id)
  }
  const numbers = Array.from({ length: 100 }, (_, number) => number).values()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const number of numbers) await live(number)
    }),
  )

  t.strictSame(faults, [])
  t.match(await node.status(), { ranges: { used: 0, avoided: 0 } })
  t.strictSame(await node.list(), [])
  t.strictSame(await readdir(join(node.stateDirectory, 'pods')), [])
  const inTurn = (await node.events()).filter(({ msg, level }) => msg === 'problem' || level === 'error')
  t.strictSame(inTurn, [], 'nothing to complain of')
  t.strictSame(await mountPoints(node), mountsBefore, 'the mounts are as before')
  t.strictSame(await mountsBelow(runDirectory), [])
  t.strictSame(await filesBelow('/run'), runBefore, '/run is as before')
  t.strictSame(await filesBelow(runDirectory), ownRunBefore)
  t.equal(await openNamespaces(node), 0, 'the daemon keeps no namespace of a pod')
})

/** Of tests that run at the same time: sockets of other beds' shims. */
const SHARED = /^(user|containerd|lock)(\/|$)/

async function filesBelow(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).filter((path) => !SHARED.test(path)).sort()
}

/** Descriptors by which the daemon holds a user namespace. */
async function openNamespaces({ daemon }: Node): Promise<number> {
  const fds = await readdir(`/proc/${daemon.pid}/fd`)
  const targets = await Promise.all(fds.map((fd) => readlink(`/proc/${daemon.pid}/fd/${fd}`).catch(() => '')))
  return targets.filter((target) => target.startsWith('user:')).length
}

onContainerd('pods of one moment', async (t, node) => {
  const { cri } = node.containerd
  const pods = await Promise.all(
    Array.from({ length: 8 }, (_, number) => cri.runPod({ name: `pod-${number}`, handler: HANDLER })),
  )
  const rows = await node.list()
  t.equal(new Set(rows.map(({ firstID }) => firstID)).size, 8)
  for (const pod of pods)
    t.equal((await idMap(await cri.podPid(pod.id)))[0]![1], rows.find(({ uid }) => uid === pod.uid)!.firstID)
  await Promise.all(pods.map(({ id }) => cri.removePod(id)))
  t.strictSame(await node.list(), [])
})
