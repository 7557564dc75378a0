import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pack } from 'msgpackr'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { callAdmin } from '../../src/admin/client.js'
import { decodeResponse } from '../../src/admin/protocol.js'
import { AdminServer } from '../../src/admin/server.js'
import { socketDirectory } from './directory.js'
import { pods, status } from './samples.js'

async function startServer(t: Test, methods = { status: () => status, list: () => pods }): Promise<string> {
  const socketPath = join(socketDirectory(t), 'admin.sock')
  const server = new AdminServer({ socketPath, methods })
  await server.start()
  t.teardown(() => server.stop())
  return socketPath
}

const webSocket = (socketPath: string) =>
  new WebSocket('ws://localhost', { createConnection: () => connect(socketPath) })

t.test('answers every method', async (t) => {
  const socketPath = await startServer(t)
  t.strictSame(await callAdmin(socketPath, 'status'), status)
  t.strictSame(await callAdmin(socketPath, 'list'), pods)
})

t.test('a full node is listed', async (t) => {
  const many = Array.from({ length: 65_534 }, (_, index) => ({ ...pods[0]!, uid: `${index}` }))
  const socketPath = await startServer(t, { status: () => status, list: () => many })
  t.strictSame((await callAdmin(socketPath, 'list')).length, many.length)
})

t.test('a method that fails is an error in words, and the next is answered', async (t) => {
  const methods = {
    status: () => status,
    list: () => {
      throw new Error('the ledger is on fire')
    },
  }
  const socketPath = await startServer(t, methods)
  await t.rejects(callAdmin(socketPath, 'list'), { message: 'list failed: the ledger is on fire' })
  t.strictSame(await callAdmin(socketPath, 'status'), status)
})

t.test('several requests on one connection are answered by their ids', async (t) => {
  const client = webSocket(await startServer(t))
  t.teardown(() => client.terminate())
  await once(client, 'open')
  const responses: unknown[] = []
  const all = new Promise<void>((resolve) => {
    client.on('message', (bytes: Buffer) => responses.push(decodeResponse(bytes)) === 3 && resolve())
  })
  for (const [id, method] of [
    [7, 'status'],
    [8, 'constructor'],
    [9, 'list'],
  ]) {
    client.send(pack({ id, method, params: {} }))
  }
  await all
  t.strictSame(responses, [
    { id: 7, result: status },
    { id: 8, error: 'there is no method "constructor", only status and list' },
    { id: 9, result: pods },
  ])
})

t.test('what is no request ends its connection, and nothing else', async (t) => {
  const socketPath = await startServer(t)
  const good = { id: 1, method: 'list', params: {} }
  const cases: [name: string, bytes: Buffer | string, code: number][] = [
    ['nothing', Buffer.alloc(0), 1007],
    ['text', 'status', 1007],
    ['not MessagePack', Buffer.from('c1', 'hex'), 1007],
    ['a list of 2^32 - 1 items that are not there', Buffer.from('ddffffffff', 'hex'), 1007],
    ['no bottom', Buffer.alloc(60_000, 0x91), 1007],
    ['a number', pack(7), 1007],
    ['no id', pack({ method: 'list', params: {} }), 1007],
    ['a negative id', pack({ ...good, id: -1 }), 1007],
    ['no name', pack({ ...good, method: 5 }), 1007],
    ['a parameter that would have no effect', pack({ ...good, params: { namespace: 'shop' } }), 1007],
    ['an unknown key', pack({ ...good, more: 1 }), 1007],
    ['more than a request can be', Buffer.alloc(64 * 1024 + 1), 1009],
  ]
  for (const [name, bytes, expected] of cases) {
    const client = webSocket(socketPath)
    t.teardown(() => client.terminate())
    await once(client, 'open')
    client.send(bytes)
    const [code] = await once(client, 'close')
    t.equal(code, expected, name)
  }
  t.strictSame(await callAdmin(socketPath, 'status'), status)
})

t.test('plain HTTP is told what this is', async (t) => {
  const socketPath = await startServer(t)
  const [response] = await once(get({ socketPath, path: '/' }), 'response')
  t.equal(response.statusCode, 426)
  t.match(await text(response), /^This is the admin socket of nri-userns: .*\n$/)
})

t.test('the socket is for root only', async (t) => {
  const socketPath = await startServer(t)
  t.equal(statSync(socketPath).mode & 0o777, 0o600)
  process.seteuid!(65534)
  const refused = callAdmin(socketPath, 'status').finally(() => process.seteuid!(0))
  await t.rejects(refused, { message: `${socketPath} is for root only: run this as root` })
})

t.test('the socket of a daemon that was killed is replaced', async (t) => {
  const socketPath = join(socketDirectory(t), 'admin.sock')
  const program = `require('net').createServer().listen(process.argv[1], () => console.log('listening'))`
  const dead = spawn(process.execPath, ['-e', program, socketPath], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(dead, 'exit')
  await once(dead.stdout, 'data')
  dead.kill('SIGKILL')
  await exit
  t.ok(existsSync(socketPath))
  const server = new AdminServer({ socketPath, methods: { status: () => status, list: () => pods } })
  t.teardown(() => server.stop())
  await server.start()
  t.strictSame(await callAdmin(socketPath, 'status'), status)
})

t.test('the socket of a live daemon is left to it', async (t) => {
  const socketPath = await startServer(t)
  const second = new AdminServer({ socketPath, methods: { status: () => status, list: () => [] } })
  await t.rejects(second.start(), { message: new RegExp(`another daemon .*${socketPath}`) })
  await second.stop()
  t.strictSame(await callAdmin(socketPath, 'list'), pods)
})

t.test('a socket that can not be made is an error in words', async (t) => {
  const directory = socketDirectory(t)
  writeFileSync(join(directory, 'file'), '')
  for (const path of ['missing/admin.sock', 'file/admin.sock', 'd'.repeat(120)]) {
    const server = new AdminServer({
      socketPath: join(directory, path),
      methods: { status: () => status, list: () => pods },
    })
    await t.rejects(server.start(), { message: /^The admin socket can't be opened: / }, path)
  }
})

t.test('stopping ends what is connected and removes the socket', async (t) => {
  const socketPath = join(socketDirectory(t), 'admin.sock')
  const server = new AdminServer({ socketPath, methods: { status: () => status, list: () => pods } })
  await server.start()
  const client = webSocket(socketPath)
  await once(client, 'open')
  const idle = connect(socketPath)
  await once(idle, 'connect')
  const ended = Promise.all([once(client, 'close'), once(idle, 'close')])
  await server.stop()
  await ended
  t.notOk(existsSync(socketPath))
})
