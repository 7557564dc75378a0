import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { version } from '../../src/version.js'
import { configOf, FIRST_ID, nriUserns, startDaemon } from './program.js'

t.test('wrong usage: exit code 2 and where to find help', async (t) => {
  const cases = [
    ['frobnicate'],
    ['list', '--frobnicate'],
    ['list', '-o', 'xml'],
    ['list', '-o'],
    ['config', 'chek'],
    ['status', 'x'],
  ]
  for (const args of cases) {
    const { code, stdout, stderr } = await nriUserns(args)
    t.equal(code, 2, args.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /^error: .*\n/)
  }
  t.match((await nriUserns(['statsu'])).stderr, /Did you mean status\?/)
})

t.test('help and version', async (t) => {
  t.strictSame(await nriUserns(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  const { code, stdout } = await nriUserns(['--help'])
  t.equal(code, 0)
  for (const command of ['daemon', 'status', 'list', 'policy', 'config'])
    t.match(stdout, new RegExp(`^  ${command} `, 'm'))
  t.match((await nriUserns(['list', '--help'])).stdout, /--quiet/)
})

t.test('config check', async (t) => {
  const good = await configOf(t)
  t.strictSame(await nriUserns(['config', 'check', good.path]), {
    code: 0,
    stdout: `${good.path} is valid\n`,
    stderr: '',
  })
  const bad = await configOf(t, { enabeld: true, log: { level: 'loud' } })
  const { code, stdout } = await nriUserns(['config', 'check', bad.path])
  t.equal(code, 1)
  t.match(stdout, /^.*config\.yaml:\d+:1: unknown key "enabeld"; did you mean "enabled"\?$/m)
  t.match(stdout, /^.*config\.yaml:\d+:\d+: log\.level: expected one of/m)
  t.match(await nriUserns(['config', 'check', '/missing.yaml']), {
    code: 1,
    stdout: "/missing.yaml: can't be read: there is no such file\n",
  })
})

t.test('config default is valid', async (t) => {
  const { stdout } = await nriUserns(['config', 'default'])
  t.match(stdout, /^enabled: true$/m)
  const { path } = await configOf(t)
  await writeFile(path, stdout)
  t.equal((await nriUserns(['config', 'check', path])).code, 0)
})

t.test('without a daemon', async (t) => {
  const { path, socket } = await configOf(t)
  for (const command of ['status', 'list']) {
    t.strictSame(await nriUserns([command, '-c', path]), {
      code: 1,
      stdout: '',
      stderr: `nri-userns: the daemon does not answer on ${socket}: is it running? systemctl status nri-userns\n`,
    })
  }
  t.match(await nriUserns(['list', '--socket', '/elsewhere.sock']), { code: 1, stderr: /\/elsewhere\.sock/ })
  t.match(await nriUserns(['list', '-c', '/missing.yaml']), {
    code: 1,
    stderr: /\/missing\.yaml: can't be read/,
  })
})

t.test('with a daemon', async (t) => {
  const config = await configOf(t)
  const record = { hostId: FIRST_ID, containerId: 0, length: 65536 }
  await mkdir(join(config.stateDirectory, 'pods/uid-1'), { recursive: true })
  await writeFile(
    join(config.stateDirectory, 'pods/uid-1/userns'),
    JSON.stringify({ uidMappings: [record], gidMappings: [record] }),
  )
  const daemon = await startDaemon(t, config)

  t.test('status', async (t) => {
    const { code, stdout } = await nriUserns(['status', '-c', config.path])
    t.equal(code, 0)
    t.match(stdout, new RegExp(`^DAEMON   version ${version}, pid ${daemon.pid}, up \\d+s$`, 'm'))
    t.match(stdout, /^NRI +not connected to the container runtime: There is no NRI socket at /m)
    t.match(stdout, /^BLOCKS +1 used, 0 avoided, 2244 free, of 2245; 65536 ids each$/m)
    const json = JSON.parse((await nriUserns(['status', '-c', config.path, '-o', 'json'])).stdout)
    t.match(json, { pid: daemon.pid, ranges: { used: 1, total: 2245 }, nri: { state: 'disconnected' } })
  })

  t.test('list', async (t) => {
    const list = (...args: string[]) => nriUserns(['list', '--socket', config.socket, ...args])
    const rows = (await list()).stdout.split('\n')
    t.match(rows[0], /^NAMESPACE {3}POD {3}UID {5}RANGE +STATE +AGE$/)
    t.match(rows[1], /^- +- +uid-1 {3}1000013824-1000079359 {3}unknown {3}\d+s$/)
    t.strictSame(rows.slice(2), [''])
    t.match(JSON.parse((await list('-o', 'json')).stdout), [
      { uid: 'uid-1', firstID: FIRST_ID, lastID: FIRST_ID + 65535, state: 'unknown' },
    ])
    t.equal((await list('-q')).stdout, 'uid-1\n')
  })
})
