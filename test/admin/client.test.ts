import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { pack } from 'msgpackr'
import t, { type Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { callAdmin } from '../../src/admin/client.js'
import { socketDirectory } from './directory.js'
import { status } from './samples.js'

/** A server on a socket that does with every connection as told. */
async function rawServer(t: Test, serve: (socket: Socket) => void): Promise<string> {
  const socketPath = join(socketDirectory(t), 'x.sock')
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    serve(socket)
  })
  server.listen(socketPath)
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return socketPath
}

/** A WebSocket server that does with every request as told. */
async function webSocketServer(t: Test, serve: (client: WebSocket) => void): Promise<string> {
  const socketPath = join(socketDirectory(t), 'x.sock')
  const http = createHttpServer()
  const webSockets = new WebSocketServer({ server: http })
  webSockets.on('connection', (client) => client.on('message', () => serve(client)))
  http.listen(socketPath)
  await once(http, 'listening')
  t.teardown(() => {
    for (const client of webSockets.clients) client.terminate()
    http.close()
  })
  return socketPath
}

async function messageOf(socketPath: string, timeoutMs?: number): Promise<string> {
  const error = await callAdmin(socketPath, 'status', timeoutMs).then(
    () => new Error('answered'),
    (error: Error) => error,
  )
  return error.message.replaceAll(socketPath, 'SOCKET')
}

const NOT_RUNNING = 'the daemon does not answer on SOCKET: is it running? systemctl status nri-userns'

t.test('nobody there', async (t) => {
  const directory = socketDirectory(t)
  t.equal(await messageOf(join(directory, 'missing.sock')), NOT_RUNNING)
  writeFileSync(join(directory, 'file.sock'), '')
  t.equal(await messageOf(join(directory, 'file.sock')), NOT_RUNNING)
})

t.test('silence has an end', async (t) => {
  const sentence = 'the daemon on SOCKET did not answer within 0.1 s: see journalctl -u nri-userns'
  t.equal(await messageOf(await rawServer(t, () => {}), 100), sentence, 'no handshake')
  t.equal(await messageOf(await webSocketServer(t, () => {}), 100), sentence, 'no answer')
})

t.test('others who listen there', async (t) => {
  const refusing = await rawServer(t, (socket) => socket.end('HTTP/1.1 404 Not Found\r\n\r\n'))
  t.equal(
    await messageOf(refusing),
    'SOCKET is not the admin socket of nri-userns: Unexpected server response: 404',
  )
  const rubbish = await rawServer(t, (socket) => socket.end('SSH-2.0-OpenSSH\r\n'))
  t.match(await messageOf(rubbish), /^SOCKET is not the admin socket of nri-userns: Parse Error/)
})

t.test('a daemon that dies meanwhile', async (t) => {
  const early = await rawServer(t, (socket) => socket.once('data', () => socket.destroy()))
  t.equal(
    await messageOf(early),
    'the daemon on SOCKET went away before it answered: see journalctl -u nri-userns',
  )
  const late = await webSocketServer(t, (client) => client.close(1007, 'not a request'))
  t.equal(
    await messageOf(late),
    'the daemon on SOCKET ended the connection without an answer (not a request): see journalctl -u nri-userns',
  )
})

t.test('answers of another version', async (t) => {
  const cases: [bytes: Buffer, detail: RegExp][] = [
    [Buffer.from('ddffffffff', 'hex'), /Unexpected end of MessagePack data/],
    [pack({ id: 1 }), /Invalid input/],
    [pack({ id: 1, result: { ...status, pid: 'none' } }), /pid: .*expected number/],
    [pack({ id: 1, result: { ...status, nri: { state: 'dreaming' } } }), /nri\.state: /],
    [pack([]), /Invalid input/],
  ]
  for (const [bytes, detail] of cases) {
    const message = await messageOf(await webSocketServer(t, (client) => client.send(bytes)))
    t.match(
      message,
      /^the daemon on SOCKET answers in a way unknown to this program \(.*\): are both of one version\?/,
    )
    t.match(message, detail)
  }
})

t.test('a refusal is the daemon’s own sentence', async (t) => {
  const socketPath = await webSocketServer(t, (client) => client.send(pack({ id: 1, error: 'not today' })))
  t.equal(await messageOf(socketPath), 'not today')
})
