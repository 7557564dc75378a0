import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type ContainerRequest, encodeYes } from '../../src/shim/protocol.js'
import { ShimServer } from '../../src/shim/server.js'
import { ShimProgram } from './program.js'

// Stands where runc does: says what reached it, and ends as it is told by $EXIT.
const RUNTIME = `#!/bin/sh
for argument in "$@"; do echo "[$argument]"; done
cat
echo "to stderr" >&2
exit \${EXIT:-0}
`

function program(t: Test): ShimProgram {
  const shim = new ShimProgram(t, '/bin/false')
  const runtime = join(shim.directory, 'runtime')
  writeFileSync(runtime, RUNTIME, { mode: 0o755 })
  shim.configure(`runtime = ${runtime}\nsocket = ${shim.socket}\n`)
  return shim
}

/** The daemon's side of the socket, with a decision of the test's. */
async function daemon(t: Test, shim: ShimProgram, create: (request: ContainerRequest) => Promise<void>) {
  const deleted: string[] = []
  const server = new ShimServer(shim.socket, {
    create,
    cni: async () => '',
    deleted: (id) => deleted.push(id),
    onProblem: (error) => t.fail(error.message),
  })
  await server.start()
  t.teardown(() => server.stop())
  return deleted
}

/** Something on the socket that is no daemon of ours. */
async function impostor(t: Test, shim: ShimProgram, serve: (socket: Socket) => void) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(shim.socket, resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
}

const shown = (args: readonly string[]) => args.map((argument) => `[${argument}]\n`).join('')

const passed: string[][] = [
  ['features'],
  ['--version'],
  [],
  ['--root', '/run/r', '--log', '/run/l', '--log-format', 'json', '--systemd-cgroup', 'state', 'c1'],
  ['--root=/run/r', 'exec', '--process', '/tmp/p', '--detach', 'create'],
  ['--root', 'create', 'kill', '--all', 'c1', '9'],
  ['kill', 'create', 'delete'],
  ['create'],
  ['create', '--help'],
]

t.test('every other command reaches the runtime as it is, whatever the daemon does', async (t) => {
  const shim = program(t)
  for (const args of passed) {
    const { code, stdout, stderr } = await shim.run(args, {
      input: 'stdin',
      env: { EXIT: '42', PATH: '/bin' },
    })
    t.same(
      { code, stdout, stderr },
      { code: 42, stdout: `${shown(args)}stdin`, stderr: 'to stderr\n' },
      args.join(' '),
    )
  }
})

t.test('a create that the daemon allows', async (t) => {
  const shim = program(t)
  const requests: ContainerRequest[] = []
  await daemon(t, shim, async (request) => void requests.push(request))
  const forms: string[][] = [
    ['create', '--bundle', shim.directory, 'c1'],
    ['create', `--bundle=${shim.directory}`, '--pid-file', '/p', 'c1'],
    [
      '--root',
      '/run/r',
      '--debug',
      'create',
      '-b',
      shim.directory,
      '--console-socket',
      '/c',
      '--no-pivot',
      'c1',
    ],
    ['create', 'c1'],
    ['run', 'c1'],
    ['restore', '--image-path', '/i', 'c1'],
  ]
  for (const args of forms) {
    const { code, stdout } = await shim.run(args, { cwd: shim.directory })
    t.same({ code, stdout }, { code: 0, stdout: shown(args) }, args.join(' '))
    t.same(requests.pop(), { verb: 'create', containerID: 'c1', bundle: shim.directory })
  }
})

t.test('a create that the daemon refuses: on stderr and in the log, the runtime is not called', async (t) => {
  const shim = program(t)
  const reason = 'pod "default/wéb" can\'t be made:\n\\ tab\there'
  await daemon(t, shim, () => Promise.reject(new Error(reason)))
  const log = join(shim.directory, 'log.json')
  writeFileSync(log, '{"level":"info","msg":"before"}\n')
  const { code, stdout, stderr } = await shim.run(['--log', log, 'create', 'c1'], { cwd: shim.directory })
  t.same({ code, stdout, stderr }, { code: 1, stdout: '', stderr: `nri-userns: ${reason}\n` })
  const lines = readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.equal(lines.length, 2)
  t.match(lines[1], {
    level: 'error',
    msg: `nri-userns: ${reason}`,
    time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
  })
})

t.test('no daemon', async (t) => {
  const shim = program(t)
  const { code, stderr, stdout, ms } = await shim.run(['create', 'c1'], { cwd: shim.directory })
  t.same({ code, stdout }, { code: 1, stdout: '' })
  t.match(
    stderr,
    /does not answer on .*shim\.sock \(No such file or directory\).*systemctl status nri-userns/,
  )
  t.ok(ms < 1000)
})

t.test('a bundle that is not there', async (t) => {
  const shim = program(t)
  const { code, stderr } = await shim.run(['create', '--bundle', '/nowhere', 'c1'])
  t.equal(code, 1)
  t.match(stderr, /the bundle \/nowhere can't be found/)
})

const frame = (body: string | Buffer) => {
  const bytes = Buffer.from(body)
  const header = Buffer.alloc(4)
  header.writeUInt32BE(bytes.length)
  return Buffer.concat([header, bytes])
}

const rubbish: [what: string, bytes: Buffer, reason: RegExp][] = [
  ['nothing', Buffer.alloc(0), /closed the connection before it answered/],
  ['half a header', Buffer.from([0, 0]), /closed the connection/],
  [
    'half an answer',
    Buffer.concat([Buffer.from([0, 0, 0, 9]), Buffer.from('nbad')]),
    /closed the connection/,
  ],
  ['an empty answer', frame(''), /makes no sense \(of 0 bytes\)/],
  ['4 GiB announced', Buffer.from([255, 255, 255, 255]), /makes no sense \(of 4294967295 bytes\)/],
  ['another letter', frame('x'), /makes no sense/],
  ['a yes with more behind it', frame('yes'), /makes no sense/],
  ['a no without a reason', frame('n'), /makes no sense/],
  ['HTTP', Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), /makes no sense/],
]

for (const [what, bytes, reason] of rubbish) {
  t.test(`a daemon that answers ${what}`, async (t) => {
    const shim = program(t)
    await impostor(t, shim, (socket) => socket.once('data', () => socket.end(bytes)))
    const { code, stdout, stderr, ms } = await shim.run(['create', 'c1'], { cwd: shim.directory })
    t.same({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, reason)
    t.ok(ms < 1000)
  })
}

t.test('an answer in single bytes', async (t) => {
  const shim = program(t)
  await impostor(t, shim, (socket) =>
    socket.once('data', async () => {
      for (const byte of encodeYes()) {
        socket.write(Buffer.from([byte]))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }),
  )
  t.equal((await shim.run(['create', 'c1'], { cwd: shim.directory })).code, 0)
})

t.test('a daemon that never answers is waited for ten seconds', async (t) => {
  const shim = program(t)
  await impostor(t, shim, () => {})
  const { code, stderr, ms } = await shim.run(['create', 'c1'], { cwd: shim.directory })
  t.equal(code, 1)
  t.match(stderr, /gave no answer in 10 s/)
  t.ok(ms > 9000 && ms < 11000)
})

t.test('the daemon learns of a delete when it is over', async (t) => {
  const shim = program(t)
  const deleted = await daemon(t, shim, async () => {})
  const { code, stdout } = await shim.run(['delete', '--force', 'c1'])
  t.same({ code, stdout }, { code: 0, stdout: shown(['delete', '--force', 'c1']) })
  for (let i = 0; i < 100 && deleted.length === 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  t.same(deleted, ['c1'])
})

t.test('a delete that lasts is not reported before its end', async (t) => {
  const shim = program(t)
  const deleted = await daemon(t, shim, async () => {})
  writeFileSync(join(shim.directory, 'slow'), '#!/bin/sh\nsleep 0.5\n', { mode: 0o755 })
  shim.configure(`runtime = ${join(shim.directory, 'slow')}\nsocket = ${shim.socket}\n`)
  const end = shim.run(['delete', 'c1'])
  await new Promise((resolve) => setTimeout(resolve, 250))
  t.same(deleted, [])
  await end
  for (let i = 0; i < 100 && deleted.length === 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  t.same(deleted, ['c1'])
})

const settings: [what: string, text: string, mode: number, reason: RegExp][] = [
  ['an unknown key', 'runtine = /bin/true\n', 0o644, /line 1 is neither/],
  ['no value', '\nsocket\n', 0o644, /line 2 is neither/],
  ['a relative path', 'runtime = runc\n', 0o644, /line 1/],
  ['a socket path that is too long', `socket = /${'x'.repeat(120)}\n`, 0o644, /at most 107 bytes/],
  ['a file that others may write', 'runtime = /bin/true\n', 0o666, /others than root can write it/],
  ['a file that is too long', '#'.repeat(9000), 0o644, /longer than/],
]

for (const [what, text, mode, reason] of settings) {
  t.test(`settings with ${what}: nothing is created`, async (t) => {
    const shim = program(t)
    const before = process.umask(0)
    shim.configure(text, mode)
    process.umask(before)
    const { code, stderr } = await shim.run(['create', 'c1'], { cwd: shim.directory })
    t.equal(code, 1)
    t.match(stderr, /the settings in .*\.conf can't be used: /)
    t.match(stderr, reason)
  })
}

t.test('the settings that are installed', async (t) => {
  const shim = new ShimProgram(t, '/bin/false')
  shim.configure(readFileSync(new URL('../../config/nri-userns-runtime.conf', import.meta.url), 'utf8'))
  const { code, stderr } = await shim.run(['create', '--bundle', shim.directory, 'id'])
  t.equal(code, 1)
  t.match(stderr, /\/run\/nri-userns\/shim\.sock/)
})

t.test('settings that are broken in one line still say which runtime stops a container', async (t) => {
  const shim = program(t)
  shim.configure(`runtime = ${join(shim.directory, 'runtime')}\nsockets = /run/x\n`)
  t.same((await shim.run(['kill', 'c1'])).stdout, shown(['kill', 'c1']))
})

t.test('a runtime that is not there', async (t) => {
  const shim = program(t)
  shim.configure('runtime = /nowhere/runc\n')
  const { code, stderr } = await shim.run(['features'])
  t.equal(code, 1)
  t.match(stderr, /the container runtime \/nowhere\/runc can't be started: No such file.*set "runtime = /)
})
