import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Event, Plugin } from '../../src/nri/api_pb.js'
import { muxFrames } from '../../src/nri/mux.js'
import { eventMask, type NriHandlers, NriPlugin, type PodSandboxInfo } from '../../src/nri/plugin.js'
import { Code } from '../../src/nri/ttrpc.js'
import { deferred, RuntimePeer, socketPair } from './runtime.js'

const web = {
  id: 'sandbox-1',
  uid: 'uid-1',
  name: 'web',
  namespace: 'shop',
  runtimeHandler: 'userns',
  pid: 4711,
  labels: { app: 'web' },
  annotations: { 'key.userns.nri.io': 'x' },
}

/** A plugin and the runtime that it is connected to, with all that the plugin tells. */
async function connectedPlugin(
  t: Test,
  handlers: Partial<NriHandlers> = {},
  register?: () => Promise<object>,
) {
  const [near, far] = await socketPair(t)
  const calls: unknown[][] = []
  const problems: string[] = []
  const synchronized: (string | undefined)[] = []
  const ends: string[] = []
  const end = deferred<string>()
  const note = (event: string) => async (pods: PodSandboxInfo | PodSandboxInfo[] | undefined) => {
    calls.push([event, pods])
  }
  const plugin = new NriPlugin({
    socket: near,
    name: 'userns',
    index: '10',
    handlers: {
      configured: (runtime) => calls.push(['configured', runtime]),
      synchronize: note('synchronize'),
      runPodSandbox: note('run'),
      stopPodSandbox: note('stop'),
      removePodSandbox: note('remove'),
      ...handlers,
    },
    onProblem: (error) => problems.push(error.message),
    onSynchronized: (failure) => synchronized.push(failure?.message),
    onEnd: (reason) => {
      ends.push(reason.message)
      end.resolve(reason.message)
    },
  })
  return {
    plugin,
    runtime: new RuntimePeer(far, register),
    far,
    calls,
    problems,
    synchronized,
    ends,
    end: end.promise,
  }
}

t.test('the event mask has the bits that NRI gives them', async (t) => {
  t.equal(eventMask([Event.RUN_POD_SANDBOX]), 1)
  t.equal(eventMask([Event.STOP_POD_SANDBOX, Event.REMOVE_POD_SANDBOX]), 6)
  t.equal(eventMask([]), 0)
})

for (const generation of ['an RPC for each event', 'StateChange'] as const) {
  t.test(`a pod's life, told by ${generation}`, async (t) => {
    const { plugin, runtime, calls, problems, synchronized } = await connectedPlugin(t)
    void plugin.register()
    t.match(await runtime.registration, { pluginName: 'userns', pluginIdx: '10' })
    const version = { runtimeName: 'containerd', runtimeVersion: 'v2.1.9', NRIVersion: '0.12.0' }
    t.equal((await runtime.call(Plugin.method.configure, version)).events, 7)
    await runtime.call(Plugin.method.synchronize, { pods: [web] })
    for (const event of [Event.RUN_POD_SANDBOX, Event.STOP_POD_SANDBOX, Event.REMOVE_POD_SANDBOX]) {
      await runtime.event(generation, event, web)
    }
    await runtime.call(Plugin.method.shutdown, {})
    t.strictSame(calls, [
      ['configured', { name: 'containerd', version: 'v2.1.9', nriVersion: '0.12.0' }],
      ['synchronize', [web]],
      ['run', web],
      ['stop', web],
      ['remove', web],
    ])
    t.strictSame(synchronized, [undefined])
    t.strictSame(problems, [])
  })
}

t.test('the runtime may configure the plugin before it answers the registration', async (t) => {
  const configured = deferred<void>()
  const { plugin, runtime, ends } = await connectedPlugin(
    t,
    { configured: () => configured.resolve() },
    async () => {
      const { events } = await runtime.call(Plugin.method.configure, {})
      t.equal(events, 7)
      return {}
    },
  )
  await plugin.register()
  await configured.promise
  t.strictSame(ends, [])
})

t.test('the parts of one list are put together, and each is acknowledged in kind', async (t) => {
  const { runtime, calls, synchronized } = await connectedPlugin(t)
  const names = (call: number) => (calls[call]![1] as PodSandboxInfo[]).map(({ name }) => name)
  const part = async (more: boolean, ...pods: string[]) =>
    (await runtime.call(Plugin.method.synchronize, { pods: pods.map((name) => ({ id: name, name })), more }))
      .more
  t.equal(await part(true, 'a', 'b'), true)
  t.equal(await part(true), true)
  t.equal(await part(true, 'c'), true)
  t.strictSame(calls, [])
  t.equal(await part(false, 'd'), false)
  t.strictSame(names(0), ['a', 'b', 'c', 'd'])
  t.equal(await part(false, 'e'), false)
  t.strictSame(names(1), ['e'], 'a new list begins empty')
  t.strictSame(synchronized, [undefined, undefined])
})

t.test('a handler that fails is a problem of ours, not of the pod or the connection', async (t) => {
  const fail = () => {
    throw new Error('disk full')
  }
  const reject = async () => fail()
  const { runtime, problems, synchronized, ends } = await connectedPlugin(t, {
    configured: fail,
    synchronize: reject,
    runPodSandbox: reject,
    stopPodSandbox: fail,
    removePodSandbox: () => Promise.reject('a string'),
  })
  t.equal((await runtime.call(Plugin.method.configure, {})).events, 7)
  await runtime.call(Plugin.method.synchronize, { pods: [] })
  await runtime.event('an RPC for each event', Event.RUN_POD_SANDBOX, web)
  await runtime.event('StateChange', Event.STOP_POD_SANDBOX, web)
  await runtime.event('an RPC for each event', Event.REMOVE_POD_SANDBOX, web)
  const pod = 'of pod shop/web (uid uid-1, sandbox sandbox-1)'
  t.strictSame(problems, [
    'The NRI event Configure was not handled: disk full',
    'The NRI event Synchronize was not handled: disk full',
    `The NRI event RunPodSandbox ${pod} was not handled: disk full`,
    `The NRI event StopPodSandbox ${pod} was not handled: disk full`,
    `The NRI event RemovePodSandbox ${pod} was not handled: a string`,
  ])
  t.strictSame(synchronized, ['The NRI event Synchronize was not handled: disk full'])
  t.strictSame(ends, [])
})

t.test('events that we did not ask for, or that lack the pod', async (t) => {
  const { runtime, calls, problems } = await connectedPlugin(t)
  await runtime.call(Plugin.method.stateChange, { event: 6 as Event, pod: web })
  await runtime.call(Plugin.method.stateChange, {})
  t.strictSame(problems, [])
  await runtime.call(Plugin.method.removePodSandbox, {})
  await runtime.call(Plugin.method.stateChange, { event: Event.RUN_POD_SANDBOX, pod: {} })
  t.match(problems, [
    /^The NRI event RemovePodSandbox was not handled: .*which pod/,
    /^The NRI event RunPodSandbox/,
  ])
  const unknown = { ...Plugin.method.shutdown, name: 'UpdateContainer' }
  await t.rejects(runtime.call(unknown, {}), { code: Code.unimplemented })
  t.strictSame(calls, [])
})

t.test('a list that was handled too late does not count', async (t) => {
  const slow = deferred<void>()
  const begun = deferred<void>()
  const { runtime, synchronized, end } = await connectedPlugin(t, {
    synchronize: () => {
      begun.resolve()
      return slow.promise
    },
  })
  const call = t.rejects(runtime.call(Plugin.method.synchronize, {}), { message: /closed|failed/ })
  await begun.promise
  runtime.socket.destroy()
  await Promise.all([end, call])
  slow.resolve()
  await new Promise(setImmediate)
  t.strictSame(synchronized, [])
})

t.test('why a connection ended is told once, in words', async (t) => {
  const refused = async () => {
    throw new Error('index taken')
  }
  const cases: [string, (far: Socket) => void, (() => Promise<object>) | undefined, RegExp][] = [
    ['refused', () => {}, refused, /^Registering as 10-userns failed: index taken$/],
    [
      'closed',
      (far) => far.destroy(),
      () => new Promise(() => {}),
      /^The (peer closed the connection\.|connection failed)/,
    ],
    [
      'cut',
      (far) => far.end(muxFrames(1, Buffer.alloc(99)).subarray(0, 50)),
      undefined,
      /in the middle of a message/,
    ],
    [
      'oversized',
      (far) => far.write(muxFrames(1, Buffer.alloc(10, 0xff))),
      undefined,
      /ttrpc frame announces 4294967295/,
    ],
    ['garbage', (far) => far.write('GET / HTTP/1.1\r\n\r\n'), undefined, /does not speak NRI/],
    ['silence', () => {}, () => new Promise(() => {}), /failed: RegisterPlugin was not answered in 5000 ms/],
  ]
  for (const [name, act, register, reason] of cases) {
    await t.test(name, async (t) => {
      const { plugin, far, ends, end } = await connectedPlugin(t, {}, register)
      const registered = plugin.register()
      act(far)
      t.match(await end, reason)
      const ended = performance.now()
      await registered
      t.ok(performance.now() - ended < 1000, 'the registration does not outlive the connection')
      plugin.close(new Error('too late'))
      t.equal(ends.length, 1)
    })
  }
})
