import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { ContainerdLabels, labelsIn } from '../../src/containerd/labels.js'

t.test('nobody there', async (t) => {
  const labels = new ContainerdLabels(join(t.testdir({}), 'containerd.sock'))
  t.teardown(() => labels.close())
  await t.rejects(labels.ofSandbox('s1'), { message: /ENOENT/ })
  await t.rejects(labels.ofNewSandbox('s1'), { message: /ENOENT/ })
})

t.test('nobody answers', async (t) => {
  const socketPath = join(t.testdir({}), 's')
  const server = createServer(() => {}).listen(socketPath)
  t.teardown(() => server.close())
  const labels = new ContainerdLabels(socketPath)
  t.teardown(() => labels.close())
  const start = performance.now()
  await t.rejects(labels.ofSandbox('s1'), { message: 'no answer in 2 seconds' })
  const ms = performance.now() - start
  t.ok(ms >= 1900, `${ms} ms`)
})

t.test('another speaks there', async (t) => {
  const socketPath = join(t.testdir({}), 's')
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(socketPath)
  t.teardown(() => server.close())
  const labels = new ContainerdLabels(socketPath)
  t.teardown(() => labels.close())
  await t.rejects(labels.ofSandbox('s1'), Error)
})

t.test('what CRI has recorded of a sandbox', async (t) => {
  const of = (value: unknown) => labelsIn(Buffer.from(JSON.stringify(value)))
  t.strictSame(of({ Version: 'v1', Metadata: { ID: 's1', Config: { labels: { app: 'web', tier: '' } } } }), {
    app: 'web',
    tier: '',
  })
  t.strictSame(of({ Metadata: { Config: {} } }), {}, 'a pod without labels')
  const message = 'its record of the sandbox is in a form unknown here'
  for (const other of [{}, { Metadata: {} }, { Metadata: { Config: { labels: { app: 1 } } } }, null, []])
    t.throws(() => of(other), { message })
  t.throws(() => labelsIn(Buffer.from('{')), { message })
  t.throws(() => labelsIn(undefined), { message })
})
