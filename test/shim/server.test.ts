import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ShimServer } from '../../src/shim/server.js'

function socketIn(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'nri-userns-shim-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return join(directory, 'shim.sock')
}

async function serve(t: Test, path: string) {
  const problems: string[] = []
  const server = new ShimServer(path, {
    create: async () => {},
    cni: async ({ command }) => `{"of":"${command}"}`,
    deleted: () => {},
    onProblem: (error) => problems.push(error.message),
  })
  await server.start()
  t.teardown(() => server.stop())
  return problems
}

const exchange = (path: string, bytes: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(path, () => socket.write(bytes))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    socket.on('end', () => resolve(answer)).on('error', reject)
  })

t.test('the socket is for root alone', async (t) => {
  const path = socketIn(t)
  await serve(t, path)
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('a socket that a dead daemon left is replaced, and so is a file', async (t) => {
  const path = socketIn(t)
  writeFileSync(path, '')
  await serve(t, path)
  t.equal((await exchange(path, '\0\0\0\x10\x31\0create\0c\0/bun\0')).slice(4), 'y')
})

t.test('a daemon that lives is not pushed aside', async (t) => {
  const path = socketIn(t)
  const other = createServer().listen(path)
  t.teardown(() => other.close())
  const server = new ShimServer(path, {
    create: async () => {},
    cni: async () => '',
    deleted: () => {},
    onProblem: () => {},
  })
  await t.rejects(server.start(), { message: /another daemon listens on/ })
})

t.test('nonsense is answered in words, and told', async (t) => {
  const path = socketIn(t)
  const problems = await serve(t, path)
  t.match(await exchange(path, 'GET / HTTP/1.1\r\n\r\n'), /over the limit/)
  t.match(problems, [/over the limit/])
})

t.test('a CNI call is answered with its result', async (t) => {
  const path = socketIn(t)
  await serve(t, path)
  const body = '1\0cni\0ADD\0c1\0/n\0eth0\0\0{}\0'
  const header = String.fromCharCode(0, 0, 0, body.length)
  t.equal((await exchange(path, header + body)).slice(4), 'y{"of":"ADD"}')
})
