import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Event, Plugin } from '../../src/nri/api_pb.js'
import { backoff, NriConnection } from '../../src/nri/connection.js'
import { muxFrames } from '../../src/nri/mux.js'
import type { NriHandlers } from '../../src/nri/plugin.js'
import { RuntimeListener, RuntimePeer, socketPath } from './runtime.js'

const web = { id: 'sandbox-1', uid: 'uid-1', name: 'web', namespace: 'shop' }
const nothing = async () => {}

/** A connection, with its changes of state to be awaited one by one. */
function connection(t: Test, path: string, handlers: Partial<NriHandlers> = {}) {
  const states: string[] = []
  const problems: string[] = []
  const calls: string[] = []
  let wake = () => {}
  const nri = new NriConnection({
    socketPath: path,
    name: 'userns',
    index: '10',
    handlers: {
      configured: () => {},
      synchronize: async (pods) => void calls.push(`synchronize ${pods!.map(({ name }) => name).join(' ')}`),
      runPodSandbox: async ({ name }) => void calls.push(`run ${name}`),
      stopPodSandbox: nothing,
      removePodSandbox: nothing,
      ...handlers,
    },
    onState: (state, reason) => {
      states.push(reason ? `${state}: ${reason}` : state)
      wake()
    },
    onProblem: (error) => problems.push(error.message),
  })
  t.teardown(() => nri.stop())
  const state = async (): Promise<string | undefined> => {
    while (states.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    return states.shift()
  }
  return { nri, state, states, problems, calls }
}

async function listen(t: Test, path: string): Promise<RuntimeListener> {
  const listener = await RuntimeListener.listen(path)
  t.teardown(() => listener.close())
  return listener
}

t.test('the wait between attempts doubles from 100 ms to at most 10 s, spread by chance', async (t) => {
  t.strictSame(
    [0, 1, 2, 5, 6, 7, 100, 5000].map((failures) => backoff(failures, 0)),
    [100, 200, 400, 3200, 5000, 5000, 5000, 5000],
  )
  t.equal(backoff(0, 1), 200)
  t.equal(backoff(100, 1), 10_000)
})

t.test('a name that the runtime would refuse is refused at once', async (t) => {
  t.throws(() => new NriConnection({ socketPath: '/x', name: 'a b', index: '10' } as never), /name "a b"/)
})

t.test('waits for a runtime that is not there yet, and comes back when it restarts', async (t) => {
  const path = await socketPath(t)
  const { nri, state, states, calls } = connection(t, path)
  nri.start()
  t.equal(
    await state(),
    `disconnected: There is no NRI socket at ${path}: the runtime is not running, or NRI is not enabled in its configuration.`,
  )
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.strictSame(states, [], 'an attempt that fails like the one before is not told')

  for (const generation of ['StateChange', 'an RPC for each event'] as const) {
    const listener = await listen(t, path)
    const runtime = await listener.peer()
    t.match(await runtime.admit([web]), { pluginName: 'userns', pluginIdx: '10' })
    t.equal(await state(), 'connected')
    await runtime.event(generation, Event.RUN_POD_SANDBOX, web)
    await listener.close()
    t.match(await state(), /^disconnected: The (peer closed the connection\.|connection failed)/)
  }
  t.strictSame(calls, ['synchronize web', 'run web', 'synchronize web', 'run web'])
})

t.test('whatever the runtime does to a connection, the next one serves', async (t) => {
  const listener = await listen(t, await socketPath(t))
  const { nri, state, problems } = connection(t, listener.path)
  const cases: [string, (socket: Duplex) => void, RegExp][] = [
    [
      'cut in a message',
      (s) => s.end(muxFrames(1, Buffer.alloc(99)).subarray(0, 50)),
      /in the middle of a message/,
    ],
    ['oversized frame', (s) => s.write(Buffer.alloc(8, 0xff)), /announces 4294967295 bytes/],
    ['garbage', (s) => s.write('HTTP/1.1 400 Bad Request\r\n'), /does not speak NRI/],
  ]
  nri.start()
  for (const [name, act, reason] of cases) {
    const runtime = await listener.peer()
    await runtime.admit()
    t.equal(await state(), 'connected')
    act(runtime.socket)
    t.match(await state(), reason, name)
  }
  await (await listener.peer()).admit()
  t.equal(await state(), 'connected')
  t.strictSame(problems, [])
})

t.test('attempts grow rarer, until one succeeds', async (t) => {
  const listener = await listen(t, await socketPath(t))
  const { nri, state } = connection(t, listener.path)
  nri.start()
  const begun = performance.now()
  for (const _ of [1, 2, 3, 4]) (await listener.socket()).destroy()
  const runtime = await listener.peer()
  t.ok(performance.now() - begun >= 1400, 'waits of 100, 200, 400 and 800 ms at least')
  await runtime.admit()
  t.match(await state(), /^disconnected/)
  t.equal(await state(), 'connected')
  runtime.socket.destroy()
  const lost = performance.now()
  await listener.socket()
  t.ok(performance.now() - lost < 1000, 'a wait of 200 ms at most')
})

t.test('pods that could not be synchronized are asked for again', async (t) => {
  const listener = await listen(t, await socketPath(t))
  let attempts = 0
  const { nri, state, states, problems } = connection(t, listener.path, {
    synchronize: async () => {
      attempts += 1
      if (attempts < 3) throw new Error(`attempt ${attempts}`)
    },
  })
  nri.start()
  for (const _ of [1, 2]) {
    const runtime = await listener.peer()
    await t.rejects(runtime.admit())
    await runtime.ended
  }
  await (await listener.peer()).admit()
  t.equal(await state(), 'disconnected: The NRI event Synchronize was not handled: attempt 1')
  t.equal(await state(), 'connected')
  t.strictSame(states, [])
  t.match(problems, [/attempt 1$/, /attempt 2$/])
})

t.test('stopped, it closes the connection, says no more and stays away', async (t) => {
  const listener = await listen(t, await socketPath(t))
  const { nri, state, states } = connection(t, listener.path)
  nri.start()
  const runtime = await listener.peer()
  await runtime.admit()
  t.equal(await state(), 'connected')
  nri.stop()
  t.match((await runtime.ended).message, /closed the connection/)
  let came = false
  void listener.socket().then(() => {
    came = true
  })
  await new Promise((resolve) => setTimeout(resolve, 400))
  t.notOk(came)
  t.strictSame(states, [])
})

t.test('stopped while it waits, it makes no further attempt', async (t) => {
  const path = await socketPath(t)
  const { nri, state } = connection(t, path)
  nri.start()
  await state()
  nri.stop()
  const listener = await listen(t, path)
  let came = false
  void listener.socket().then(() => {
    came = true
  })
  await new Promise((resolve) => setTimeout(resolve, 400))
  t.notOk(came)
})

t.test('a socket file that nobody listens on is told apart from none', async (t) => {
  const path = await socketPath(t)
  await writeFile(path, '')
  const { nri, state } = connection(t, path)
  nri.start()
  t.match(await state(), /^disconnected: Nothing listens on the NRI socket/)
})

/** Starts the pre-installed plugin as the runtime does: nothing in its environment but this, a socket as fd 3. */
function preinstalledPlugin(t: Test, env: Record<string, string> = {}) {
  const script = fileURLToPath(new URL('preinstalled.ts', import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, script], {
    env: { NRI_PLUGIN_NAME: 'userns', NRI_PLUGIN_IDX: '07', NRI_PLUGIN_SOCKET: '3', ...env },
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const exited = once(child, 'close')
  return { socket: child.stdio[3] as Duplex, output: async () => [await exited, output] as const }
}

t.test('pre-installed, it serves the inherited socket once', async (t) => {
  const { socket, output } = preinstalledPlugin(t)
  const runtime = new RuntimePeer(socket)
  t.match(await runtime.admit(), { pluginName: 'userns', pluginIdx: '07' })
  await runtime.event('StateChange', Event.RUN_POD_SANDBOX, web)
  socket.destroy()
  const [[code], text] = await output()
  t.equal(code, 0)
  t.match(text, /^connected \nrun web\ndisconnected The (peer closed the connection|connection failed).*\n$/)
})

t.test('pre-installed, it keeps its only connection when the pods could not be synchronized', async (t) => {
  const { socket, output } = preinstalledPlugin(t, { FAIL: 'yes' })
  const runtime = new RuntimePeer(socket)
  await runtime.admit()
  await runtime.event('an RPC for each event', Event.RUN_POD_SANDBOX, web)
  socket.destroy()
  t.match(
    (await output())[1],
    /^The NRI event Synchronize was not handled: not now\nconnected \nrun web\ndisconnected/,
  )
})

t.test('pre-installed, it goes on when the runtime does not list its pods', async (t) => {
  const { socket, output } = preinstalledPlugin(t)
  const runtime = new RuntimePeer(socket)
  await runtime.registration
  await runtime.call(Plugin.method.configure, { runtimeName: 'containerd', runtimeVersion: '1.7.24' })
  await sleep(2500)
  await runtime.event('StateChange', Event.RUN_POD_SANDBOX, web)
  socket.destroy()
  t.match((await output())[1], /^no list\nconnected \nrun web\ndisconnected/)
})

t.test('pre-installed with a descriptor that is no socket, the end is told', async (t) => {
  const { output } = preinstalledPlugin(t, { NRI_PLUGIN_SOCKET: '999' })
  t.match((await output())[1], /^disconnected File descriptor 999 is not the runtime's socket/)
})
