import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { run } from './run.js'
import { type TarEntry, tar } from './tar.js'

export const BUSYBOX = 'nri-userns.test/busybox:1'
export const PAUSE = 'nri-userns.test/pause:1'

/**
 * Writes a docker-archive of the bed's two images. They share one layer: busybox with all applets in /bin, a file of
 * user 1000 in /home/user, and a setuid file of uid 65536, which no mapping of 65536 ids holds.
 */
export async function writeImages(path: string, busybox: string): Promise<void> {
  const applets = (await run(busybox, ['--list'])).split('\n').filter((name) => name && name !== 'busybox')
  await writeFile(path, tar(archive(tar(layer(await readFile(busybox), applets)))))
}

function archive(layerTar: Buffer): TarEntry[] {
  const images = [
    { tag: BUSYBOX, command: ['/bin/sh'] },
    { tag: PAUSE, command: ['/bin/sleep', 'infinity'] },
  ]
  const architecture = { x64: 'amd64' }[process.arch as string] ?? process.arch
  const configs = images.map(({ tag, command }) => ({
    path: `${tag.replace(/\W/g, '-')}.json`,
    content: JSON.stringify({
      architecture,
      os: 'linux',
      config: { Cmd: command, Env: ['PATH=/bin'], WorkingDir: '/' },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layerTar).digest('hex')}`] },
    }),
  }))
  const manifest = images.map(({ tag }, at) => ({
    Config: configs[at]!.path,
    RepoTags: [tag],
    Layers: ['layer.tar'],
  }))
  return [
    ...configs,
    { path: 'layer.tar', content: layerTar },
    { path: 'manifest.json', content: JSON.stringify(manifest) },
  ]
}

function layer(busybox: Buffer, applets: readonly string[]): TarEntry[] {
  const user = { uid: 1000, gid: 1000 }
  return [
    ...['bin', 'dev', 'etc', 'home', 'proc', 'run', 'srv', 'sys', 'var'].map((path) => ({ path })),
    { path: 'root', mode: 0o700 },
    { path: 'tmp', mode: 0o1777 },
    { path: 'bin/busybox', mode: 0o755, content: busybox },
    ...applets.map((applet) => ({ path: `bin/${applet}`, linkTo: 'busybox' })),
    {
      path: 'etc/passwd',
      content:
        'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n',
    },
    { path: 'etc/group', content: 'root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n' },
    { path: 'home/user', ...user },
    { path: 'home/user/file', content: 'of user 1000\n', ...user },
    { path: 'srv/beyond', mode: 0o4755, uid: 65536, gid: 65536, content: busybox.subarray(0, 4) },
  ]
}
