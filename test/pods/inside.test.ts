import { execFile } from 'node:child_process'
import { chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { HANDLER, type Node } from '../bed/index.js'
import { firstIDOf, hostIDs, idMap, onContainerd, processesBelow, SLEEP } from './on-containerd.js'

onContainerd('what a pod has', async (t, node) => {
  const { cri } = node.containerd
  const pod = await cri.runPod({
    name: 'inside',
    handler: HANDLER,
    sysctls: { 'net.core.somaxconn': '77', 'kernel.shm_rmid_forced': '1' },
  })
  const firstID = (await firstIDOf(node, pod))!
  const shared = join(node.containerd.directory, 'shared')
  await mkdir(shared, { mode: 0o777 })
  await chown(shared, 1000, 1000)
  await writeFile(join(shared, 'given'), 'by the host\n')
  await chown(join(shared, 'given'), 33, 33)
  const mounts = [{ hostPath: shared, containerPath: '/shared' }]
  const main = await cri.runContainer(pod, { name: 'main', command: SLEEP, mounts })
  const sh = async (line: string, container = main) => (await cri.exec(container, line)).stdout.trim()

  await t.test('root inside, in a range outside', async (t) => {
    t.equal(await sh('id -u; id -g'), '0\n0')
    for (const file of ['uid_map', 'gid_map'] as const) {
      t.match(await sh(`cat /proc/self/${file}`), new RegExp(`^\\s*0 +${firstID} +65536$`))
      t.strictSame(await idMap(await cri.containerPid(main), file), [[0, firstID, 65536]])
      t.strictSame(await idMap(await cri.podPid(pod.id), file), [[0, firstID, 65536]], 'of the sandbox too')
    }
    const roots = [await cri.podPid(pod.id), await cri.containerPid(main)]
    for (const pid of await processesBelow(roots)) {
      t.strictSame(await hostIDs(pid, 'Uid'), Array(4).fill(firstID))
      t.strictSame(await hostIDs(pid, 'Gid'), Array(4).fill(firstID))
    }
  })

  await t.test('the image has the ids that its layers have', async (t) => {
    const rows = (await sh('ls -ln / | tail -n +2')).split('\n').map((row) => row.split(/\s+/))
    const owners = Object.fromEntries(rows.map((row) => [row.at(-1)!, `${row[2]}:${row[3]}`]))
    // procfs and sysfs show nobody to every pod in a user namespace, natively too: their ids can't be mapped.
    const { proc: _, sys: __, shared, ...image } = owners
    t.equal(shared, '1000:1000')
    t.ok(Object.keys(image).length > 8)
    t.strictSame(new Set(Object.values(image)), new Set(['0:0']))
    t.equal(await sh('stat -c %u:%g /home/user/file'), '1000:1000')
    t.equal(await sh('stat -c %u:%g /srv/beyond'), '65534:65534', 'an id beyond the range is nobody')
    const seenByHost = await stat(`/proc/${await cri.containerPid(main)}/root/srv/beyond`)
    t.equal(seenByHost.uid, 65534, "and not the host's root, whose setuid file it would be")
  })

  await t.test('what it writes has unshifted ids in the upper layer', async (t) => {
    const name = `written-${node.containerd.version}`
    await sh(`cd /; touch ${name}-0; touch ${name}-33; chown 33:33 ${name}-33; echo more >> /home/user/file`)
    t.equal(await sh(`stat -c %u:%g /${name}-0 /${name}-33 /home/user/file`), '0:0\n33:33\n1000:1000')
    const upper = await upperDirectoryWith(node, `${name}-0`)
    t.strictSame(await owner(join(upper, `${name}-0`)), [0, 0])
    t.strictSame(await owner(join(upper, `${name}-33`)), [33, 33])
    t.strictSame(await owner(join(upper, 'home/user/file')), [1000, 1000], 'copied up')
  })

  await t.test('volumes have the ids that the container means', async (t) => {
    t.equal(await sh('stat -c %u:%g /shared/given'), '33:33')
    await sh('echo 1 > /shared/of-root; touch /shared/of-1000; chown 1000:1000 /shared/of-1000')
    t.strictSame(await owner(join(shared, 'of-root')), [0, 0])
    t.strictSame(await owner(join(shared, 'of-1000')), [1000, 1000])
  })

  await t.test('a file of the host is beyond its root', async (t) => {
    const secret = join(node.containerd.directory, 'secret')
    await writeFile(secret, 'of the host\n', { mode: 0o600 })
    const pid = await cri.containerPid(main)
    const { exitCode, stderr } = await cri.exec(
      main,
      `cat /proc/1/root${secret} /proc/sysrq-trigger; echo b > /proc/sysrq-trigger`,
    )
    t.not(exitCode, 0)
    t.match(stderr, /No such file|denied|Read-only/)
    // The same root, seen from the host's own tree.
    t.not((await hostIDs(pid))[0], (await stat(secret)).uid)
  })

  await t.test('the sysfs of its own network, for reading', async (t) => {
    t.strictSame((await sh('ls /sys/class/net')).split('\n'), ['eth0', 'lo'])
    t.match((await cri.exec(main, 'touch /sys/class/net/eth0/mtu')).stderr, /Read-only/)
  })

  await t.test('its sysctls', async (t) => {
    t.equal(await sh('cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced'), '77\n1')
    t.not((await readFile('/proc/sys/net/core/somaxconn', 'utf8')).trim(), '77', "and not the host's")
  })

  await t.test('exec: output, errors and exit code', async (t) => {
    t.strictSame(await cri.exec(main, 'echo out; echo err >&2; exit 3'), {
      stdout: 'out\n',
      stderr: 'err\n',
      exitCode: 3,
    })
  })

  await t.test('logs', async (t) => {
    const id = await cri.runContainer(pod, {
      name: 'talker',
      command: ['/bin/sh', '-c', 'echo one; echo two >&2; exit 4'],
    })
    t.equal(await cri.exitCode(id), 4)
    await sleep(50)
    t.strictSame((await cri.logs(id)).split('\n').sort(), ['', 'one', 'two'])
  })

  await t.test('a terminal', async (t) => {
    const id = await cri.runContainer(pod, {
      name: 'terminal',
      tty: true,
      command: ['/bin/sh', '-c', 'tty; stat -c %u:%g $(tty); exec sleep 1000'],
    })
    for (let tries = 0; (await cri.logs(id)).split('\n').length < 3 && tries < 100; tries++) await sleep(20)
    t.match(await cri.logs(id), /^\/dev\/pts\/\d+\s+0:5\s/)
  })

  await t.test('a read-only root file system', async (t) => {
    const id = await cri.runContainer(pod, { name: 'read-only', command: SLEEP, readonlyRootfs: true })
    t.match((await cri.exec(id, 'touch /new')).stderr, /Read-only file system/)
    t.equal(await sh('ls -ldn /bin | cut -c-30; id -u', id).then((text) => text.split('\n').at(-1)), '0')
    t.equal(await sh('touch /dev/shm/x && echo written', id), 'written')
  })

  await t.test('a user of its own', async (t) => {
    const id = await cri.runContainer(pod, {
      name: 'user',
      command: SLEEP,
      runAsUser: 1000,
      runAsGroup: 1000,
      supplementalGroups: [2000],
    })
    t.equal(await sh('id -u; id -G', id), '1000\n1000 2000')
    t.strictSame(await hostIDs(await cri.containerPid(id)), Array(4).fill(firstID + 1000))
    t.equal(await sh('echo 1 >> /home/user/file && stat -c %u /home/user/file', id), '1000')
    t.match((await cri.exec(id, 'touch /etc/new')).stderr, /Permission denied/)
  })

  await t.test('two containers share ipc and /dev/shm', async (t) => {
    const second = await cri.runContainer(pod, { name: 'second', command: SLEEP, runAsUser: 1000 })
    await sh('echo from-main > /dev/shm/note; chmod 644 /dev/shm/note')
    t.equal(await sh('cat /dev/shm/note; stat -c %u /dev/shm/note', second), 'from-main\n0')
    t.equal(await namespaceOf(node, main, 'ipc'), await namespaceOf(node, second, 'ipc'))
    t.equal(await namespaceOf(node, main, 'user'), await namespaceOf(node, second, 'user'))
    t.not(await namespaceOf(node, main, 'mnt'), await namespaceOf(node, second, 'mnt'))
  })

  await t.test('a container that ends is made again', async (t) => {
    const first = await cri.runContainer(pod, { name: 'again', command: ['/bin/true'] })
    t.equal(await cri.exitCode(first), 0)
    await cri.remove(first)
    const second = await cri.runContainer(pod, { name: 'again', command: SLEEP })
    t.equal((await hostIDs(await cri.containerPid(second)))[0], firstID)
  })

  await t.test('what its runtime can do is what runc can do', async (t) => {
    const run = promisify(execFile)
    const shim = join(node.containerd.directory, 'nri-userns-runtime')
    t.strictSame(await run(shim, ['features']), await run(node.containerd.runc, ['features']))
    t.strictSame(await run(shim, ['--version']), await run(node.containerd.runc, ['--version']))
  })

  await t.test('one pid namespace for all its containers', (t) => sharedPid(t, node))
})

async function sharedPid(t: Test, node: Node): Promise<void> {
  const { cri } = node.containerd
  const pod = await cri.runPod({ name: 'shared-pid', handler: HANDLER, sharePID: true })
  const id = await cri.runContainer(pod, { name: 'main', command: SLEEP })
  t.match((await cri.exec(id, 'ps')).stdout, /^ +1 (root|0) .*sleep infinity/m)
}

const namespaceOf = async ({ containerd: { cri } }: Node, container: string, type: string) =>
  (await stat(`/proc/${await cri.containerPid(container)}/ns/${type}`)).ino

async function owner(path: string): Promise<[number, number]> {
  const { uid, gid } = await stat(path)
  return [uid, gid]
}

/** The snapshot in which a container has made a file of that name. */
async function upperDirectoryWith({ containerd }: Node, name: string): Promise<string> {
  const snapshots = join(containerd.directory, 'root/io.containerd.snapshotter.v1.overlayfs/snapshots')
  for (const id of await readdir(snapshots)) {
    const directory = join(snapshots, id, 'fs')
    if ((await readdir(directory)).includes(name)) return directory
  }
  throw new Error(`no snapshot below ${snapshots} has ${name}`)
}
