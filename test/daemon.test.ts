import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { callAdmin } from '../src/admin/client.js'
import { configOf, FIRST_ID, nriUserns, startDaemon, type TestConfig } from './cli/program.js'
import { newUserns } from './kernel/scratch.js'

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
  await putRecord(config, 'uid-1', record(FIRST_ID))
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
  await writeFile(path, record(FIRST_ID))
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

/** What the daemon logged as `message`. */
const eventsOf = (output: string, message: string) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg === message)

const rangesOf = async ({ socket }: TestConfig) => (await callAdmin(socket, 'status')).ranges

t.test('every id that nobody else owns', async (t) => {
  const kubeletPods = t.testdir({
    'uid-k': { userns: record(65536) },
    'uid-bad': { userns: 'not a record' },
  })
  const config = await configOf(t, { ranges: { from: 'rest', kubeletPods } })
  const daemon = await startDaemon(t, config)
  const ranges = await rangesOf(config)
  t.match(ranges, { firstID: 65536, count: 65534 * 65536, total: 65534, used: 0 })
  t.ok(ranges.avoided >= 1)
  const [event] = eventsOf(daemon.output(), 'ranges avoided')
  t.match(event, { level: 'info', reason: /the kubelet's pod uid-k, ids 65536-131071/ })
  const problems = eventsOf(daemon.output(), 'problem')
  t.match(problems, [{ level: 'warn', error: `${kubeletPods}/uid-bad/userns: not JSON` }])
})

t.test('given ids of which the kubelet has some', async (t) => {
  const kubeletPods = t.testdir({ 'uid-k': { userns: record(3000041472) } })
  const keys = { firstID: 3000041472, count: 131072, podLimit: 2, kubeletPods }
  const config = await configOf(t, { ranges: keys })
  const daemon = await startDaemon(t, config)
  t.match(await rangesOf(config), { total: 2, avoided: 1, free: 1 }, 'starts, as the pod will go')
  const events = eventsOf(daemon.output(), 'ranges avoided')
  t.match(events, [{ level: 'warn', reason: /the kubelet's pod uid-k, ids 3000041472-3000107007/ }])
})

t.test('a user without subordinate ids', async (t) => {
  const config = await configOf(t, { ranges: { from: 'subids', user: 'nri-userns-of-nobody' } })
  const { code, stderr } = await nriUserns(['daemon', '-c', config.path])
  t.equal(code, 1)
  t.match(stderr, /^nri-userns: \/etc\/subuid: there is no entry of nri-userns-of-nobody: add a line .*\n$/)
})

t.test('a user namespace that lives is avoided from the start on', async (t) => {
  const firstID = 3100049408
  const config = await configOf(t, { ranges: { firstID, count: 131072, podLimit: 2 } })
  await newUserns(t, firstID)
  const before = await startDaemon(t, config)
  t.match(await rangesOf(config), { used: 0, avoided: 1, free: 1 })
  await before.end('SIGTERM')

  await putRecord(config, 'uid-1', record(firstID))
  await startDaemon(t, config)
  t.match(await rangesOf(config), { used: 1, avoided: 0, free: 1 }, "unless it is a pod's of ours")
})
