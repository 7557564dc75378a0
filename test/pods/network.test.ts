import { execFile } from 'node:child_process'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { HANDLER, mountsBelow, type Node, run } from '../bed/index.js'
import {
  firstIDOf,
  hostIDs,
  idMap,
  mountPoints,
  onContainerd,
  runPod,
  SLEEP,
  until,
} from './on-containerd.js'

const OWNED = { network: 'owned' } as const

onContainerd(
  'a network of its own',
  async (t, node) => {
    const { cri } = node.containerd
    const mountsBefore = await mountPoints(node)
    const pod = await cri.runPod({
      name: 'owner',
      handler: HANDLER,
      sysctls: { 'net.core.somaxconn': '77', 'net.ipv4.ping_group_range': '0 2147483647' },
    })
    const id = await cri.runContainer(pod, {
      name: 'main',
      command: SLEEP,
      addCapabilities: ['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN'],
    })
    const sh = async (line: string) => {
      const { stdout, stderr, exitCode } = await cri.exec(id, line)
      return `${stdout}${stderr}${exitCode ? `exit ${exitCode}` : ''}`.trim()
    }

    await t.test('is its range, as ever', async (t) => {
      const firstID = (await firstIDOf(node, pod))!
      t.strictSame(await idMap(await cri.podPid(pod.id)), [[0, firstID, 65536]])
      t.strictSame(await idMap(await cri.containerPid(id)), [[0, firstID, 65536]])
      t.equal((await hostIDs(await cri.containerPid(id)))[0], firstID)
    })

    await t.test('CNI has set up its interface', async (t) => {
      t.match(await sh('ip -o -4 addr show dev eth0'), /inet 10\.244\./)
      t.match(await sh('ip -o link show dev lo'), /UP/)
      t.match(await sh('ip route'), /10\.244\.\d+\.0\/24 via/)
    })

    await t.test('changes it: addresses, links, routes', async (t) => {
      t.equal(await sh('ip addr add 192.0.2.7/32 dev lo && ip -o addr show dev lo | grep -c 192.0.2.7'), '1')
      t.equal(await sh('ip link set dev eth0 mtu 1400 && cat /sys/class/net/eth0/mtu'), '1400')
    })

    await t.test('pings raw, and listens on port 80', async (t) => {
      t.match(await sh('ping -c 1 -W 2 127.0.0.1'), / 0% packet loss/)
      t.match(
        await sh('(echo hello | nc -l -p 80 >/dev/null &) ; sleep 0.2; echo | nc -w 2 127.0.0.1 80'),
        /hello/,
      )
    })

    await t.test('has a sysfs of it that it mounts itself, and its sysctls', async (t) => {
      t.strictSame((await sh('ls /sys/class/net')).split('\n'), ['eth0', 'lo'])
      // The kernel shows a new sysfs to those alone from whom nothing of the old one is masked: fs/namespace.c, mount_too_revealing.
      const unmasked = await cri.runContainer(pod, {
        name: 'unmasked',
        command: SLEEP,
        procMount: 'Unmasked',
        addCapabilities: ['SYS_ADMIN'],
      })
      const mount = 'mkdir /tmp/s && mount -t sysfs -o ro sysfs /tmp/s && ls /tmp/s/class/net'
      t.strictSame((await cri.exec(unmasked, mount)).stdout.trim().split(/\s+/), ['eth0', 'lo'])
      t.equal(await sh('cat /proc/sys/net/core/somaxconn'), '77')
      t.match(await sh('cat /proc/sys/net/ipv4/ping_group_range'), /^0\s+65535$/)
    })

    await t.test('nothing of it stays', async (t) => {
      await cri.removePod(pod.id)
      t.strictSame(await node.list(), [])
      t.strictSame(await readdir(join(node.runDirectory, 'userns')), [])
      t.strictSame(await mountsBelow(node.runDirectory), [])
      t.strictSame(await mountPoints(node), mountsBefore)
    })

    await t.test('natively mapped pods and plain ones are not touched', async (t) => {
      const { firstID, count } = (await node.status()).ranges
      const hostID = firstID + count - 65536
      const native = await cri.runPod({ name: 'native', handler: HANDLER, userns: { hostID, length: 65536 } })
      t.strictSame(await idMap(await cri.podPid(native.id)), [[0, hostID, 65536]])
      const plain = await cri.runPod({ name: 'plain' })
      t.strictSame(await idMap(await cri.podPid(plain.id)), [[0, 0, 4294967295]])
      t.strictSame(await node.list(), [])
      for (const { id } of [native, plain]) await cri.removePod(id)
    })

    await t.test('a daemon that comes back knows whose network it is', async (t) => {
      const pod = await runPod(node, 'survivor')
      await node.daemon.end('SIGKILL')
      await node.startDaemon()
      const late = await cri.runContainer(pod, {
        name: 'late',
        command: SLEEP,
        addCapabilities: ['NET_ADMIN'],
      })
      t.equal((await cri.exec(late, 'ip addr add 192.0.2.8/32 dev lo')).exitCode, 0)
      await cri.removePod(pod.id)
      t.strictSame(await readdir(join(node.runDirectory, 'userns')), [])
    })
  },
  OWNED,
)

onContainerd(
  'a network that could not be set up',
  async (t, node) => {
    const { cri } = node.containerd
    const mountsBefore = await mountPoints(node)
    await node.breakCni()
    await t.rejects(cri.runPod({ name: 'broken', handler: HANDLER }), { message: /network/ })
    await until(async () => (await node.list()).length === 0)
    t.strictSame(await readdir(join(node.runDirectory, 'userns')), [])
    await node.mendCni()

    await node.daemon.end('SIGKILL')
    await t.rejects(cri.runPod({ name: 'orphan', handler: HANDLER }), {
      message: /nri-userns: the daemon does not answer .* so the pod's network was not made/,
    })
    await node.startDaemon()
    const pod = await runPod(node, 'well')
    await cri.removePod(pod.id)
    t.strictSame(await node.list(), [])
    t.strictSame(await mountPoints(node), mountsBefore)
  },
  OWNED,
)

onContainerd(
  'owned networks without the plugin in the chain',
  async (t, node) => {
    await t.rejects(node.containerd.cri.runPod({ name: 'unowned', handler: HANDLER }), {
      message:
        /pod default\/unowned can't be made: its network namespace is the host's.*nri-userns-cni first/,
    })
    t.strictSame(await node.list(), [])
  },
  { config: { network: 'owned' } },
)

onContainerd('a network of the host', async (t, node) => {
  const { cri } = node.containerd
  const pod = await cri.runPod({ name: 'shared', handler: HANDLER })
  const id = await cri.runContainer(pod, { name: 'main', command: SLEEP, addCapabilities: ['NET_ADMIN'] })
  const sh = async (line: string) => (await cri.exec(id, `${line} 2>&1`)).stdout
  t.match(
    await sh('(echo hello | nc -l -p 80 >/dev/null &) ; sleep 0.2; echo | nc -w 2 127.0.0.1 80'),
    /hello/,
  )
  const firstID = (await firstIDOf(node, pod))!
  const inNetns = [
    '--target',
    `${await cri.containerPid(id)}`,
    '--net',
    'cat',
    '/proc/sys/net/ipv4/ping_group_range',
  ]
  const { stdout: groups } = await promisify(execFile)('nsenter', inNetns)
  t.match(groups, new RegExp(`^${firstID}\\s+${firstID + 65535}`))
  t.match(await sh('ip addr add 192.0.2.7/32 dev lo'), /not permitted/)
  t.match(
    (await node.events()).find(({ msg }) => msg === 'capabilities in vain'),
    { level: 'warn', pod: 'shared', container: 'main', reason: /CAP_NET_ADMIN.*network: owned/ },
  )
  await cri.removePod(pod.id)
})

onContainerd(
  'many networks, eight at a time',
  async (t, node: Node) => {
    const { cri } = node.containerd
    const mountsBefore = await mountPoints(node)
    const numbers = Array.from({ length: 24 }, (_, number) => number).values()
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (const number of numbers) {
          const pod = await runPod(node, `pod-${number}`)
          t.match((await cri.exec(pod.containers.main!, 'ip -o link')).stdout, /lo.*UP[\s\S]*eth0/)
          await cri.removePod(pod.id)
        }
      }),
    )
    t.strictSame(await node.list(), [])
    t.strictSame(await mountPoints(node), mountsBefore)
    t.strictSame(await readdir(join(node.runDirectory, 'userns')), [])
  },
  OWNED,
)

/** Calls the plugin as the runtime does, for a netns that no runtime knows. */
function pluginOf(node: Node, netns: string) {
  const plugin = join(node.containerd.directory, 'nri-userns-cni')
  return async (command: string, sandbox: string, config: object = {}) => {
    const child = execFile(plugin, {
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: sandbox,
        CNI_NETNS: netns,
        CNI_IFNAME: 'eth0',
        CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=uid-${sandbox}`,
      },
    })
    child.stdin!.end(JSON.stringify({ cniVersion: '1.1.0', name: 'n', type: 'nri-userns-cni', ...config }))
    const output = await text(child.stdout!)
    return output === '' ? undefined : (JSON.parse(output) as Record<string, unknown>)
  }
}

onContainerd(
  'calls of the CNI plugin',
  async (t, node) => {
    const mountsBefore = await mountPoints(node)
    const netns = join(node.containerd.directory, 'netns')
    await writeFile(netns, '')
    await run('unshare', ['--net', 'sh', '-c', `mount --bind /proc/self/ns/net ${netns}`])
    const call = pluginOf(node, netns)
    const owned = async () => (await stat(netns)).ino
    const before = await owned()
    const result = { cniVersion: '1.1.0', interfaces: [], ips: [], routes: [], dns: {} }

    await t.test('ADD, and again', async (t) => {
      t.strictSame(await call('ADD', 's1'), result)
      t.match(await node.list(), [{ pod: 'web', namespace: 'shop', uid: 'uid-s1', state: 'creating' }])
      const first = await owned()
      t.not(first, before, 'another netns is in its place')
      t.strictSame(await call('ADD', 's1'), result)
      t.equal(await owned(), first)
      t.equal((await node.list()).length, 1)
      const told = (await node.events()).filter(({ msg }) => msg === 'network owned')
      t.equal(told.length, 1, 'and told of once')
      t.equal(await call('CHECK', 's1'), undefined)
      t.match(await call('CHECK', 's2'), { msg: /not owned by its pod/ })
      t.equal(await call('STATUS', ''), undefined)
    })

    await t.test('the daemon dies before the sandbox is made', async (t) => {
      await node.daemon.end('SIGKILL')
      await node.startDaemon()
      t.match(await node.list(), [{ uid: 'uid-s1' }], 'its netns is still there')
      t.equal(await call('CHECK', 's1'), undefined)
    })

    await t.test('DEL, and again, and of the unknown', async (t) => {
      for (const sandbox of ['s1', 's1', 'never-seen']) t.equal(await call('DEL', sandbox), undefined)
      t.strictSame(await node.list(), [])
      t.strictSame(await readdir(join(node.runDirectory, 'userns')), [])
    })

    await t.test('a netns that another user namespace owns is left to it', async (t) => {
      const first = await owned()
      t.strictSame(await call('ADD', 's3'), result)
      t.equal(await owned(), first)
      t.strictSame(await node.list(), [])
    })

    await t.test('GC frees what no runtime speaks for', async (t) => {
      await run('umount', [netns])
      await run('unshare', ['--net', 'sh', '-c', `mount --bind /proc/self/ns/net ${netns}`])
      await call('ADD', 's4')
      await call('GC', '', { 'cni.dev/valid-attachments': [{ containerID: 's4', ifname: 'eth0' }] })
      t.match(await node.list(), [{ uid: 'uid-s4' }])
      t.match(await call('GC', ''), { msg: /valid-attachments/ }, 'not without a list')
      await call('GC', '', { 'cni.dev/valid-attachments': [] })
      t.strictSame(await node.list(), [])
    })

    await t.test('a netns that is none', async (t) => {
      await run('umount', [netns])
      t.match(await call('ADD', 's5'), { code: 11, msg: /nri-userns: pod shop\/web can't own its network: / })
      t.strictSame(await node.list(), [])
    })
    t.strictSame(await mountPoints(node), mountsBefore)
    t.strictSame(await readdir(join(node.runDirectory, 'userns')), [])
  },
  OWNED,
)
