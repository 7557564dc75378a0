import t from 'tap'
import { Mux, muxFrames } from '../../src/nri/mux.js'
import { deferred, socketPair } from './runtime.js'

t.test('connections share a socket without mixing, in both directions', async (t) => {
  const [near, far] = await socketPair(t)
  const ends: Error[] = []
  const seen = new Map<string, string>()
  const complete = deferred<void>()
  const collect = (who: string) => (bytes: Buffer) => {
    seen.set(who, (seen.get(who) ?? '') + bytes.toString())
    if ([...seen.values()].join('').length === 20_006) complete.resolve()
  }
  const nearMux = new Mux(near, (reason) => ends.push(reason))
  const farMux = new Mux(far, (reason) => ends.push(reason))
  const nearSends = [1, 2].map((id) => nearMux.open(id, collect(`near ${id}`)))
  const farSends = [1, 2].map((id) => farMux.open(id, collect(`far ${id}`)))
  nearSends[0]!(Buffer.from('a'.repeat(10_000)))
  nearSends[1]!(Buffer.from('bb'))
  farSends[0]!(Buffer.from('cccc'))
  farSends[1]!(Buffer.from('d'.repeat(10_000)))
  await complete.promise
  t.strictSame(Object.fromEntries(seen), {
    'far 1': 'a'.repeat(10_000),
    'far 2': 'bb',
    'near 1': 'cccc',
    'near 2': 'd'.repeat(10_000),
  })
  t.strictSame(ends, [])
})

t.test('frames of a connection that nobody opened are skipped', async (t) => {
  const [near, far] = await socketPair(t)
  const received = deferred<string>()
  const ends: Error[] = []
  new Mux(near, (reason) => ends.push(reason)).open(1, (bytes) => received.resolve(bytes.toString()))
  far.write(Buffer.concat([muxFrames(7, Buffer.from('other')), muxFrames(1, Buffer.from('ours'))]))
  t.equal(await received.promise, 'ours')
  t.strictSame(ends, [])
})

t.test('the end is told once, in words', async (t) => {
  const cases: [string, (far: import('node:net').Socket) => void, RegExp][] = [
    [
      'closed between messages',
      (far) => far.end(muxFrames(1, Buffer.from('x'))),
      /^The peer closed the connection\.$/,
    ],
    ['cut in a header', (far) => far.end(Buffer.alloc(7)), /in the middle of a message\.$/],
    [
      'cut in a body',
      (far) => far.end(muxFrames(1, Buffer.from('xy')).subarray(0, 9)),
      /in the middle of a message\.$/,
    ],
    [
      'oversized',
      (far) => far.write(Buffer.alloc(8, 0xff)),
      /^A multiplexer frame announces 4294967295 bytes/,
    ],
    ['garbage', (far) => far.write('GET / HTTP/1.1\r\n'), /does not speak NRI/],
  ]
  for (const [name, act, expected] of cases) {
    await t.test(name, async (t) => {
      const [near, far] = await socketPair(t)
      const reasons: Error[] = []
      const closed = deferred<void>()
      near.once('close', () => closed.resolve())
      const mux = new Mux(near, (reason) => reasons.push(reason))
      act(far)
      await closed.promise
      mux.close(new Error('too late'))
      t.equal(reasons.length, 1)
      t.match(reasons[0]!.message, expected)
    })
  }
})

t.test('a receiver that throws ends the connection with its reason', async (t) => {
  const [near, far] = await socketPair(t)
  const reason = deferred<Error>()
  new Mux(near, reason.resolve).open(1, () => {
    throw new Error('unreadable')
  })
  far.write(muxFrames(1, Buffer.from('x')))
  t.equal((await reason.promise).message, 'unreadable')
  t.ok(near.destroyed)
})

t.test('nothing is sent after the end, and that is no error', async (t) => {
  const [near, far] = await socketPair(t)
  const received: Buffer[] = []
  const closed = deferred<void>()
  far.on('data', (bytes) => received.push(bytes)).once('close', () => closed.resolve())
  const mux = new Mux(near, () => {})
  const send = mux.open(1, () => {})
  mux.close(new Error('over'))
  send(Buffer.from('x'))
  await closed.promise
  t.strictSame(received, [])
})
