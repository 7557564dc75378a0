import { chmod, chown, mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HANDLER, type Node, run } from '../bed/index.js'
import { firstIDOf, onContainerd, SLEEP } from './on-containerd.js'

async function directory(node: Node, name: string, uid = 0): Promise<string> {
  const path = join(node.containerd.directory, name)
  await mkdir(path, { recursive: true })
  await chown(path, uid, uid)
  await chmod(path, 0o755)
  return path
}

async function owners(...paths: string[]): Promise<string[]> {
  return Promise.all(paths.map(async (path) => stat(path).then(({ uid, gid }) => `${uid}:${gid}`)))
}

onContainerd('volumes', async (t, node) => {
  const { cri } = node.containerd
  const pod = await cri.runPod({ name: 'volumes', handler: HANDLER })
  let count = 0
  /** A container with these mounts, and a shell in it. */
  async function container(
    mounts: NonNullable<Parameters<typeof cri.runContainer>[1]['mounts']>,
    options: { runAsUser?: number; supplementalGroups?: number[] } = {},
  ) {
    count += 1
    const id = await cri.runContainer(pod, { name: `c${count}`, command: SLEEP, mounts, ...options })
    return async (line: string) => {
      const { stdout, stderr } = await cri.exec(id, line)
      return `${stdout}${stderr}`.trim()
    }
  }

  await t.test(
    'a directory on disk, shared by containers of two users and the group of the pod',
    async (t) => {
      // As the kubelet makes an emptyDir for fsGroup 2000.
      const empty = await directory(node, 'empty-dir')
      await chown(empty, 0, 2000)
      await chmod(empty, 0o2777)
      const mounts = [{ hostPath: empty, containerPath: '/data' }]
      const first = await container(mounts, { runAsUser: 1000, supplementalGroups: [2000] })
      const second = await container(mounts, { runAsUser: 1001, supplementalGroups: [2000] })
      await first('umask 002; echo one > /data/one')
      t.equal(await second('cat /data/one; echo two >> /data/one; stat -c %u:%g /data/one'), 'one\n1000:2000')
      t.equal(await readFile(join(empty, 'one'), 'utf8'), 'one\ntwo\n')
      t.strictSame(await owners(join(empty, 'one')), ['1000:2000'])
    },
  )

  await t.test('a directory in memory', async (t) => {
    const memory = await directory(node, 'memory')
    await run('mount', ['-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', memory])
    const sh = await container([{ hostPath: memory, containerPath: '/cache' }])
    t.equal(await sh('touch /cache/x && stat -c %u /cache/x /cache'), '0\n0')
    t.strictSame(await owners(join(memory, 'x')), ['0:0'])
  })

  await t.test('what an atomic writer made, and a path below it', async (t) => {
    const config = await directory(node, 'config-map')
    await mkdir(join(config, '..2026_1'))
    await writeFile(join(config, '..2026_1/key'), 'old')
    await symlink('..2026_1', join(config, '..data'))
    await symlink('..data/key', join(config, 'key'))
    const sh = await container([
      { hostPath: config, containerPath: '/config', readonly: true },
      { hostPath: join(config, '..2026_1/key'), containerPath: '/etc/key', readonly: true },
    ])
    t.equal(await sh('cat /config/key; stat -L -c %u /config/key /etc/key'), 'old0\n0')
    t.match(await sh('echo new > /config/key'), /Read-only file system/)
    await mkdir(join(config, '..2026_2'))
    await writeFile(join(config, '..2026_2/key'), 'new')
    await symlink('..2026_2', join(config, '..data_tmp'))
    await rename(join(config, '..data_tmp'), join(config, '..data'))
    t.equal(await sh('cat /config/key /etc/key'), 'newold')
  })

  await t.test('a file, as the log of the last words', async (t) => {
    const file = join(node.containerd.directory, 'termination-log')
    await writeFile(file, '', { mode: 0o666 })
    const sh = await container([{ hostPath: file, containerPath: '/dev/termination-log' }])
    await sh('echo done > /dev/termination-log')
    t.equal(await readFile(file, 'utf8'), 'done\n')
  })

  await t.test('mounts below a directory', async (t) => {
    const tree = await directory(node, 'tree')
    const below = await directory(node, 'tree/below')
    await run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', below])
    await writeFile(join(below, 'file'), 'below')
    const sh = await container([{ hostPath: tree, containerPath: '/tree' }])
    t.equal(await sh('cat /tree/below/file; stat -c %u /tree/below/file'), 'below0')
    t.equal(await sh('touch /tree/below/new && stat -c %u /tree/below/new'), '0')
    t.strictSame(await owners(join(below, 'new')), ['0:0'])
  })

  await t.test('mounts that come to a directory later', async (t) => {
    const parent = await directory(node, 'propagated')
    await run('mount', ['--bind', parent, parent])
    await run('mount', ['--make-rshared', parent])
    await mkdir(join(parent, 'later'))
    const HOST_TO_CONTAINER = 1
    const sh = await container([{ hostPath: parent, containerPath: '/p', propagation: HOST_TO_CONTAINER }])
    await run('mount', ['-t', 'tmpfs', 'tmpfs', join(parent, 'later')])
    await writeFile(join(parent, 'later/file'), 'came later')
    t.equal(await sh('cat /p/later/file'), 'came later')
  })

  await t.test('a file system that can not be mapped, below one that can', async (t) => {
    const mixed = await directory(node, 'mixed')
    const below = await directory(node, 'mixed/below')
    await run('mount', ['-t', 'ramfs', 'ramfs', below])
    await writeFile(join(below, 'file'), 'read it')
    const sh = await container([{ hostPath: mixed, containerPath: '/mixed' }])
    t.equal(
      await sh('touch /mixed/x; stat -c %u /mixed/x; cat /mixed/below/file; stat -c %u /mixed/below'),
      '0\nread it65534',
    )
    t.match(
      (await node.events()).find(({ msg }) => msg === 'volume mapped in part'),
      { level: 'warn', pod: 'volumes', volume: mixed, mountedAt: '/mixed' },
    )
  })

  await t.test('a file system that can not be mapped is refused', async (t) => {
    const ram = await directory(node, 'ram')
    await run('mount', ['-t', 'ramfs', 'ramfs', ram])
    await t.rejects(container([{ hostPath: ram, containerPath: '/ram' }]), {
      message:
        /container c\d+ of pod default\/volumes can't be made: the volume .*\/ram \(mounted at \/ram\) lies on a file system \(ramfs\) .*volumes\.unsupported: plain/,
    })
  })

  await t.test('what the host shows of them is nobody else’s', async (t) => {
    const firstID = (await firstIDOf(node, pod))!
    const closed = await directory(node, 'closed')
    await writeFile(join(closed, 'of-another-pod'), '', { mode: 0o600 })
    await chown(join(closed, 'of-another-pod'), firstID + 70000, firstID + 70000)
    const sh = await container([{ hostPath: closed, containerPath: '/closed' }])
    t.equal(await sh('stat -c %u /closed/of-another-pod'), '65534')
    t.match(await sh('cat /closed/of-another-pod'), /Permission denied/)
    t.match(await sh('chown 0 /closed/of-another-pod'), /not permitted|too large/)
  })
})

onContainerd(
  'volumes that may stay plain',
  async (t, node) => {
    const { cri } = node.containerd
    const ram = await directory(node, 'ram')
    await run('mount', ['-t', 'ramfs', 'ramfs', ram])
    await writeFile(join(ram, 'file'), 'for all', { mode: 0o644 })
    await writeFile(join(ram, 'secret'), "the host's", { mode: 0o600 })
    const pod = await cri.runPod({ name: 'plain-volume', handler: HANDLER })
    const id = await cri.runContainer(pod, {
      name: 'main',
      command: SLEEP,
      mounts: [{ hostPath: ram, containerPath: '/ram' }],
    })
    t.strictSame(await cri.exec(id, 'cat /ram/file; stat -c %u /ram/file'), {
      stdout: 'for all65534\n',
      stderr: '',
      exitCode: 0,
    })
    t.match((await cri.exec(id, 'cat /ram/secret')).stderr, /Permission denied/)
    t.match(
      (await node.events()).find(({ msg }) => msg === 'volume not mapped'),
      {
        level: 'warn',
        pod: 'plain-volume',
        container: 'main',
        volume: ram,
        mountedAt: '/ram',
        fileSystem: 'ramfs',
      },
    )
    await cri.removePod(pod.id)
  },
  { config: { volumes: { unsupported: 'plain' } } },
)
