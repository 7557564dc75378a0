import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import t from 'tap'
import { Event, Plugin } from '../../src/nri/api_pb.js'
import { FrameDecoder } from '../../src/nri/decoder.js'
import { FrameType, parseHeader, ttrpcFormat, ttrpcFrame } from '../../src/nri/frame.js'
import { Code, type Implementation, TtrpcClient, TtrpcServer } from '../../src/nri/ttrpc.js'
import { RequestSchema, ResponseSchema, StatusSchema } from '../../src/nri/ttrpc_pb.js'
import { type Deferred, deferred } from './runtime.js'

const implementation: Implementation<typeof Plugin> = {
  configure: async ({ runtimeName }) => ({ events: runtimeName.length }),
  synchronize: async ({ more }) => ({ more }),
  shutdown: async () => ({}),
  runPodSandbox: async ({ pod }) => {
    throw new Error(`no room for ${pod?.name}`)
  },
  stopPodSandbox: async () => {
    throw 'not an Error'
  },
  removePodSandbox: async () => {
    throw new Error('x'.repeat(10_000_000))
  },
  stateChange: async () => ({}),
}

/** A client and a server whose bytes go straight to each other, a byte at a time. */
function connected(service: Implementation<typeof Plugin> = implementation): TtrpcClient {
  const client: TtrpcClient = new TtrpcClient((bytes) => {
    for (const byte of bytes) server.receive(Buffer.of(byte))
  })
  const server = new TtrpcServer(Plugin, service, (bytes) => {
    for (const byte of bytes) client.receive(Buffer.of(byte))
  })
  return client
}

/** The server's answer to a frame made by hand. */
async function answerTo(frame: Buffer) {
  const answer = deferred<{
    streamID: number
    type: number
    code: number | undefined
    message: string | undefined
  }>()
  const decoder = new FrameDecoder(ttrpcFormat, (header, body) => {
    const { streamID, type } = parseHeader(header)
    const { status } = fromBinary(ResponseSchema, body)
    answer.resolve({ streamID, type, code: status?.code, message: status?.message })
  })
  new TtrpcServer(Plugin, implementation, (bytes) => decoder.push(bytes)).receive(frame)
  return answer.promise
}

function request(method: string, fields: { service?: string; payload?: Uint8Array } = {}) {
  return toBinary(RequestSchema, create(RequestSchema, { service: Plugin.typeName, method, ...fields }))
}

t.test('calls get their own results, also when answered out of order', async (t) => {
  const turns: Deferred<void>[] = []
  const client = connected({
    ...implementation,
    configure: async ({ runtimeName }) => {
      const turn = deferred<void>()
      turns.push(turn)
      await turn.promise
      return { events: runtimeName.length }
    },
  })
  const calls = ['a', 'bb', 'ccc'].map((runtimeName) =>
    client.call(Plugin.method.configure, { runtimeName }, 1000),
  )
  for (const turn of turns.reverse()) {
    turn.resolve()
    await turn.promise
  }
  t.strictSame(
    (await Promise.all(calls)).map(({ events }) => events),
    [1, 2, 3],
  )
})

t.test('a handler that throws is answered with UNKNOWN and its message', async (t) => {
  const client = connected()
  const cases: [Promise<unknown>, RegExp][] = [
    [client.call(Plugin.method.runPodSandbox, { pod: { name: 'web' } }, 1000), /^no room for web$/],
    [client.call(Plugin.method.stopPodSandbox, {}, 1000), /^not an Error$/],
    [client.call(Plugin.method.removePodSandbox, {}, 1000), /^x{1024}$/],
  ]
  for (const [call, message] of cases) {
    await t.rejects(call, { code: Code.unknown, message })
  }
})

t.test('what the server does not take is answered with a status on the same stream', async (t) => {
  const plain = { streamID: 5, type: FrameType.request, flags: 0 }
  const cases = [
    [
      'unknown method',
      plain,
      request('UpdateContainer'),
      12,
      /v1alpha1\.Plugin\/UpdateContainer is not implemented/,
    ],
    [
      'unknown service',
      plain,
      request('Configure', { service: 'grpc.Health' }),
      12,
      /grpc.Health\/Configure is not/,
    ],
    ['a name of 4 MB', plain, request('x'.repeat(4_000_000)), 12, /^The method .*x$/],
    ['inherited name', plain, request('constructor'), 12, /Plugin\/constructor is not implemented/],
    ['stream that stays open', { ...plain, flags: 2 }, request('Configure'), 12, /does not take streams/],
    ['stream of the server', { ...plain, flags: 1 }, request('Configure'), 12, /does not take streams/],
    ['even stream id', { ...plain, streamID: 6 }, request('Configure'), 3, /odd/],
    ['no request', plain, Buffer.from('garbage'), 3, /^The request is no ttrpc\.Request message: /],
    [
      'no payload',
      plain,
      request('Configure', { payload: Buffer.of(0x0f) }),
      3,
      /Configure is no nri\.pkg\.api/,
    ],
  ] as const
  for (const [name, header, body, code, message] of cases) {
    const answer = await answerTo(ttrpcFrame(header, body))
    t.match(answer, { streamID: header.streamID, type: FrameType.response, code, message }, name)
  }
})

t.test('frames that are no request are not answered, and the next request is', async (t) => {
  const frames = [FrameType.data, FrameType.response, 9].map((type) =>
    ttrpcFrame({ streamID: 1, type, flags: 0 }, request('Configure')),
  )
  const last = ttrpcFrame({ streamID: 3, type: FrameType.request, flags: 0 }, request('Shutdown'))
  t.match(await answerTo(Buffer.concat([...frames, last])), { streamID: 3, code: undefined })
})

t.test('fields that we do not know are skipped', async (t) => {
  const client = connected({
    ...implementation,
    stateChange: async ({ event, pod }) => {
      t.equal(event, Event.STOP_POD_SANDBOX)
      t.equal(pod?.id, 'p1')
      return {}
    },
  })
  const pod = { id: 'p1', $unknown: [{ no: 10, wireType: 2, data: Buffer.from('\x0910.88.0.2') }] }
  await client.call(Plugin.method.stateChange, { event: Event.STOP_POD_SANDBOX, pod: pod as object }, 1000)
  t.plan(2)
})

t.test('the client', async (t) => {
  const sent: { streamID: number; type: number; flags: number; method: string; timeoutNano: bigint }[] = []
  const decoder = new FrameDecoder(ttrpcFormat, (header, body) => {
    const { method, timeoutNano } = fromBinary(RequestSchema, body)
    sent.push({ ...parseHeader(header), method, timeoutNano })
  })
  const client = new TtrpcClient((bytes) => decoder.push(bytes))
  const answer = (streamID: number, body: Uint8Array, type: number = FrameType.response) =>
    client.receive(ttrpcFrame({ streamID, type, flags: 0 }, body))
  const call = (timeout = 1000) => client.call(Plugin.method.configure, {}, timeout)

  await t.rejects(call(20), { message: 'Configure was not answered in 20 ms.' })
  const late = call()
  answer(1, toBinary(ResponseSchema, create(ResponseSchema)))
  answer(3, toBinary(ResponseSchema, create(ResponseSchema, { payload: Buffer.of(0x10, 7) })))
  t.equal((await late).events, 7, 'an answer that comes too late is dropped, the next call is not harmed')
  t.strictSame(sent, [
    { streamID: 1, type: 1, flags: 0, method: 'Configure', timeoutNano: 20_000_000n },
    { streamID: 3, type: 1, flags: 0, method: 'Configure', timeoutNano: 1_000_000_000n },
  ])

  const refused = call()
  const status = create(StatusSchema, { code: 8, message: 'exhausted' })
  answer(5, toBinary(ResponseSchema, create(ResponseSchema, { status })))
  await t.rejects(refused, { code: 8, message: 'exhausted' })

  const garbled = call()
  answer(7, Buffer.from('garbage'))
  await t.rejects(garbled, { message: /^The answer is no ttrpc\.Response message/ })

  const misread = call()
  answer(9, toBinary(ResponseSchema, create(ResponseSchema, { payload: Buffer.of(0x0f) })))
  await t.rejects(misread, { message: /^The answer to Configure is no nri\.pkg/ })

  const streamed = call()
  answer(11, Buffer.alloc(0), FrameType.data)
  await t.rejects(streamed, { message: 'A unary call was answered with a stream.' })

  const tooLong = { runtimeName: 'x'.repeat(5_000_000) }
  await t.rejects(client.call(Plugin.method.configure, tooLong, 1000), { message: /longer than the 4194304/ })

  t.throws(() => client.receive(Buffer.alloc(10, 0xff)), /A ttrpc frame announces/)

  const cut = call()
  client.close(new Error('gone'))
  client.close(new Error('again'))
  await t.rejects(cut, { message: 'gone' })
  await t.rejects(call(), { message: 'gone' })
})
