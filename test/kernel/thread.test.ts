import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KernelThread } from '../../src/kernel/thread.js'
import type { Work } from '../../src/kernel/work.js'
import { mountLines, mountOverlay, mountPointsBelow, newNetns, scratchDirectory } from './scratch.js'

const range = { hostID: 131072, length: 65536 }

const kernel = await KernelThread.start((error) => t.fail(error.message))
t.teardown(() => kernel.stop())

/** Layers 1 and 2, each with a file of root's and one of uid 1000. */
function layersIn(directory: string): string[] {
  return ['2', '1'].map((name) => {
    const layer = join(directory, name, 'fs')
    mkdirSync(layer, { recursive: true })
    writeFileSync(join(layer, `root-${name}`), name)
    writeFileSync(join(layer, `user-${name}`), name)
    chownSync(join(layer, `user-${name}`), 1000, 1000)
    return layer
  })
}

/** As a process whose only ids are the range's would see and do it. */
const asPodRoot = (command: string) =>
  execFileSync(
    'setpriv',
    [`--reuid=${range.hostID}`, `--regid=${range.hostID}`, '--clear-groups', 'sh', '-c', command],
    {
      encoding: 'utf8',
    },
  ).trim()

t.test('the root file system over mapped layers', async (t) => {
  const directory = scratchDirectory(t)
  const { rootfs, upper } = mountOverlay(directory, layersIn(directory))
  await kernel.perform([{ kind: 'mapRootfs', rootfs, range }])

  t.equal(statSync(join(rootfs, 'root-1')).uid, range.hostID)
  t.equal(statSync(join(rootfs, 'user-2')).uid, range.hostID + 1000)
  t.equal(statSync(rootfs).uid, range.hostID)
  asPodRoot(`cd ${rootfs} && echo new > made && echo more >> root-1 && rm root-2 && mkdir dir`)
  t.equal(statSync(join(upper, 'made')).uid, 0, "what the pod's root makes is root's in the upper layer")
  t.equal(statSync(join(upper, 'root-1')).uid, 0, 'and so is what he copies up')
  t.equal(readFileSync(join(directory, '1/fs/root-1'), 'utf8'), '1', 'the lower layer is as it was')
  t.same(mountPointsBelow(directory), [rootfs], 'nothing else is mounted')
})

t.test('a hundred layers', async (t) => {
  const directory = scratchDirectory(t)
  const names = Array.from({ length: 100 }, (_, index) => `layer${index}`)
  for (const name of names) {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, name), name)
  }
  // Relative ones, as containerd gives them when their absolute paths don't fit mount(2)'s page of options.
  const rootfs = join(directory, 'rootfs')
  for (const path of ['rootfs', 'upper/fs', 'upper/work'])
    mkdirSync(join(directory, path), { recursive: true })
  const options = `lowerdir=${names.join(':')},upperdir=${directory}/upper/fs,workdir=${directory}/upper/work`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, rootfs], { cwd: directory })
  await kernel.perform([{ kind: 'mapRootfs', rootfs, range }])
  for (const name of ['layer0', 'layer50', 'layer99']) t.equal(statSync(join(rootfs, name)).uid, range.hostID)
})

t.test('a hundred layers, undone', async (t) => {
  const directory = scratchDirectory(t)
  const names = Array.from({ length: 100 }, (_, index) => `layer-with-a-long-name-${index}`)
  for (const name of names) {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, name), name)
  }
  for (const path of ['rootfs', 'upper/fs', 'upper/work'])
    mkdirSync(join(directory, path), { recursive: true })
  const rootfs = join(directory, 'rootfs')
  const options = `lowerdir=${names.join(':')},upperdir=${directory}/upper/fs,workdir=${directory}/upper/work`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, rootfs], { cwd: directory })
  const work: Work[] = [
    { kind: 'mapRootfs', rootfs, range },
    { kind: 'replaceFile', path: join(directory, 'missing.json'), text: '{}' },
  ]
  await t.rejects(kernel.perform(work), { message: /missing\.json[^;]*$/ })
  t.same(mountPointsBelow(directory), [rootfs])
  for (const name of [names[0]!, names[99]!]) t.equal(statSync(join(rootfs, name)).uid, 0)
})

t.test('a view without an upper layer', async (t) => {
  const directory = scratchDirectory(t)
  const rootfs = join(directory, 'rootfs')
  mkdirSync(rootfs)
  const options = `lowerdir=${layersIn(directory).join(':')}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, rootfs])
  await kernel.perform([{ kind: 'mapRootfs', rootfs, range }])
  t.equal(statSync(join(rootfs, 'root-1')).uid, range.hostID)
  t.equal(statSync(join(rootfs, 'user-2')).uid, range.hostID + 1000)
  t.throws(() => writeFileSync(join(rootfs, 'new'), ''), { code: 'EROFS' })
  t.same(mountPointsBelow(directory), [rootfs])
})

t.test('a snapshot that is a directory, or another file system', async (t) => {
  const directory = scratchDirectory(t)
  const [layer] = layersIn(directory)
  const rootfs = join(directory, 'rootfs')
  mkdirSync(rootfs)
  execFileSync('mount', ['--bind', layer!, rootfs])
  await kernel.perform([{ kind: 'mapRootfs', rootfs, range }])
  t.equal(statSync(join(rootfs, 'root-2')).uid, range.hostID)
  asPodRoot(`echo new > ${rootfs}/made`)
  t.equal(statSync(join(layer!, 'made')).uid, 0)
  t.same(mountPointsBelow(directory), [rootfs])
})

t.test('a snapshot that is a directory, undone', async (t) => {
  const directory = scratchDirectory(t)
  const [layer] = layersIn(directory)
  const rootfs = join(directory, 'rootfs')
  mkdirSync(rootfs)
  execFileSync('mount', ['--bind', '-o', 'nosuid', layer!, rootfs])
  const before = mountLines(directory)
  const work: Work[] = [
    { kind: 'mapRootfs', rootfs, range },
    { kind: 'replaceFile', path: join(directory, 'missing.json'), text: '{}' },
  ]
  await t.rejects(kernel.perform(work), { message: /missing\.json[^;]*$/ })
  t.strictSame(mountLines(directory), before)
  t.equal(statSync(join(rootfs, 'root-2')).uid, 0)
})

t.test('a root file system that can not be mapped is refused and left as it is', async (t) => {
  const directory = scratchDirectory(t)
  const rootfs = join(directory, 'rootfs')
  mkdirSync(rootfs)
  await t.rejects(kernel.perform([{ kind: 'mapRootfs', rootfs, range }]), { message: /not a mount/ })
  execFileSync('mount', ['-t', 'proc', 'proc', rootfs])
  await t.rejects(kernel.perform([{ kind: 'mapRootfs', rootfs, range }]), {
    message: /on a file system \(proc\) that the kernel can't map ids on/,
  })
  t.same(mountPointsBelow(directory), [rootfs])
})

t.test('a layer that can not be mapped is refused, and the overlay left as it is', async (t) => {
  const directory = scratchDirectory(t)
  const inner = mountOverlay(join(directory, 'inner'), layersIn(directory))
  const { rootfs } = mountOverlay(directory, [inner.rootfs])
  const before = mountLines(directory)
  await t.rejects(kernel.perform([{ kind: 'mapRootfs', rootfs, range }]), {
    message: /that the kernel can't map ids on/,
  })
  t.strictSame(mountLines(directory), before)
})

t.test('what was done is undone in reverse when a later work fails', async (t) => {
  const directory = scratchDirectory(t)
  const { rootfs } = mountOverlay(directory, layersIn(directory), ',metacopy=on')
  const config = join(directory, 'config.json')
  writeFileSync(config, '{}', { mode: 0o640 })
  const before = { mounts: mountLines(directory), mode: statSync(directory).mode }
  const sysfs = join(directory, 'sysfs')
  await t.rejects(
    kernel.perform([
      { kind: 'openBundle', bundle: directory, gid: range.hostID },
      { kind: 'mapRootfs', rootfs, range },
      { kind: 'mountSysfs', netns: '/proc/self/ns/net', target: sysfs },
      { kind: 'replaceFile', path: join(directory, 'missing.json'), text: '{}' },
    ]),
    { message: /missing.json/ },
  )
  t.equal(statSync(directory).gid, 0)
  t.equal(statSync(directory).mode, before.mode)
  t.equal(statSync(join(rootfs, 'root-1')).uid, 0)
  t.strictSame(mountLines(directory), before.mounts)
  t.notOk(existsSync(sysfs))
})

t.test('a sysfs of a netns, and the sysctls in it', async (t) => {
  const directory = scratchDirectory(t)
  const { netns, run } = await newNetns(t)
  run('ip', 'link', 'add', 'only-here', 'type', 'veth', 'peer', 'name', 'other')
  const target = join(directory, 's1')
  const port = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
  const host = readFileSync(port, 'utf8')
  await kernel.perform([
    { kind: 'writeSysctls', netns, sysctls: { 'net.ipv4.ip_unprivileged_port_start': '77' } },
    { kind: 'mountSysfs', netns, target },
    { kind: 'mountSysfs', netns, target },
  ])
  t.ok(existsSync(join(target, 'class/net/only-here')))
  t.throws(() => writeFileSync(join(target, 'class/net/only-here/mtu'), '1400'), { code: 'EROFS' })
  t.equal(run('cat', port), '77\n')
  t.equal(readFileSync(port, 'utf8'), host)
  t.same(mountPointsBelow(directory), [target], 'once, though asked for twice')

  await kernel.perform([{ kind: 'unmountSysfs', target }])
  await kernel.perform([{ kind: 'unmountSysfs', target }])
  t.notOk(existsSync(target))
})

t.test('a sysctl that the kernel refuses leaves those before it as they were', async (t) => {
  const { netns, run } = await newNetns(t)
  const port = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
  const before = run('cat', port)
  const sysctls = { 'net.ipv4.ip_unprivileged_port_start': '78', 'net.ipv4.no_such_thing': '1' }
  await t.rejects(kernel.perform([{ kind: 'writeSysctls', netns, sysctls }]), {
    message: /net.ipv4.no_such_thing can't be set/,
  })
  t.equal(run('cat', port), before)
})

t.test('what of a volume can be mapped', async (t) => {
  const directory = scratchDirectory(t)
  for (const name of ['good', 'mixed', 'whole'])
    mkdirSync(join(directory, name, 'below'), { recursive: true })
  execFileSync('mount', ['-t', 'ramfs', 'ramfs', join(directory, 'mixed/below')])
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(directory, 'whole/below')])
  const cases: [source: string, recursive: boolean, support: string][] = [
    [join(directory, 'good'), true, 'tree'],
    [join(directory, 'good'), false, 'mount'],
    [join(directory, 'mixed'), true, 'mount'],
    [join(directory, 'mixed'), false, 'mount'],
    [join(directory, 'whole'), true, 'tree'],
    [join(directory, 'mixed/below'), true, 'none'],
    ['/proc', false, 'none'],
    ['/etc/hostname', true, 'tree'],
  ]
  const volumes = cases.map(([source, recursive]) => ({ source, recursive }))
  t.strictSame(
    await kernel.probe(volumes, range),
    cases.map(([, , support]) => support),
  )
  await t.rejects(kernel.probe([{ source: join(directory, 'missing'), recursive: true }], range), {
    message: /missing can't be cloned as a mount: ENOENT/,
  })
})

t.test('replacing a file keeps owner and mode', async (t) => {
  const directory = scratchDirectory(t)
  const path = join(directory, 'config.json')
  writeFileSync(path, 'before', { mode: 0o640 })
  chownSync(path, 12, 34)
  await kernel.perform([{ kind: 'replaceFile', path, text: 'after' }])
  t.equal(readFileSync(path, 'utf8'), 'after')
  const { uid, gid, mode } = statSync(path)
  t.same([uid, gid, mode & 0o777], [12, 34, 0o640])
})
