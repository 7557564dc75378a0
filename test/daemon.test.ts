import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { configOf, nriUserns, startDaemon, type TestConfig } from './cli/program.js'

const record = (hostId: number) => {
  const mapping = { hostId, containerId: 0, length: 65536 }
  return JSON.stringify({ uidMappings: [mapping], gidMappings: [mapping] })
}

async function putRecord({ stateDirectory }: TestConfig, podUID: string, text: string): Promise<string> {
  await mkdir(join(stateDirectory, 'pods', podUID), { recursive: true })
  const path = join(stateDirectory, 'pods', podUID, 'userns')
  await writeFile(path, text)
  return path
}

t.test('starts, serves and ends cleanly', async (t) => {
  const config = await configOf(t)
  const daemon = await startDaemon(t, config)
  for (const name of ['admin.sock', 'shim.sock']) {
    const { mode, uid } = await stat(join(config.runDirectory, name))
    t.equal(mode & 0o777, 0o600, `${name} is for root alone`)
    t.equal(uid, 0)
  }
  t.equal(await daemon.end('SIGTERM'), 0)
  t.strictSame(await readdir(config.runDirectory), ['sysfs', 'userns'], 'no socket is left')
  const events = daemon
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.strictSame(
    events.map(({ msg }) => msg),
    ['started', 'NRI disconnected', 'stopped'],
    'nothing else is said',
  )
})

t.test('SIGINT ends it too', async (t) => {
  const daemon = await startDaemon(t, await configOf(t))
  t.equal(await daemon.end('SIGINT'), 0)
})

t.test('the second of a node says so and ends, before it has read a thing', async (t) => {
  const config = await configOf(t)
  const first = await startDaemon(t, config)
  await putRecord(config, 'bad', 'not read')
  const { code, stderr } = await nriUserns(['daemon', '-c', config.path])
  t.equal(code, 1)
  t.match(
    stderr,
    /^nri-userns: The admin socket can't be opened: another daemon listens on .*admin\.sock.*\n$/,
  )
  t.equal(await first.end('SIGTERM'), 0)
})

t.test('starts again after it was killed', async (t) => {
  const config = await configOf(t)
  await putRecord(config, 'uid-1', record(2000224256))
  const killed = await startDaemon(t, config)
  await killed.end('SIGKILL')
  await startDaemon(t, config)
  t.equal((await nriUserns(['list', '-q', '-c', config.path])).stdout, 'uid-1\n')
})

t.test('a record that can not be used stops the start, and is left as it was', async (t) => {
  const config = await configOf(t)
  const path = await putRecord(config, 'uid-1', record(4096))
  const { code, stderr } = await nriUserns(['daemon', '-c', config.path])
  t.equal(code, 1)
  t.match(stderr, new RegExp(`^nri-userns: .*${path}`))
  t.equal(await readFile(path, 'utf8'), record(4096))
  t.strictSame(await readdir(config.runDirectory), ['sysfs', 'userns'], 'no socket is left')
  await chmod(path, 0o600)
  await writeFile(path, record(2000224256))
  await startDaemon(t, config)
})

t.test('a config that can not be used is told by line, and nothing is made', async (t) => {
  const config = await configOf(t, { ranges: { firstID: 1 } })
  const { code, stderr } = await nriUserns(['daemon', '-c', config.path])
  t.equal(code, 1)
  t.match(stderr, /^nri-userns: .*config\.yaml:\d+:\d+: ranges: /)
  await t.rejects(readdir(config.runDirectory), { code: 'ENOENT' })
})

t.test('switched off, it reads no state', async (t) => {
  const config = await configOf(t, { enabled: false })
  await putRecord(config, 'uid-1', 'rubbish')
  const daemon = await startDaemon(t, config)
  t.match((await nriUserns(['status', '-c', config.path])).stdout, /^RANGES +switched off in the config/m)
  t.equal((await nriUserns(['list', '-q', '-c', config.path])).stdout, '')
  t.equal(await daemon.end('SIGTERM'), 0)
})
