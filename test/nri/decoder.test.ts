import t from 'tap'
import { FrameDecoder } from '../../src/nri/decoder.js'
import { FrameType, parseHeader, ttrpcFormat, ttrpcFrame } from '../../src/nri/frame.js'
import { muxFormat, muxFrames } from '../../src/nri/mux.js'

const bodies = ['first', '', 'a'.repeat(5000), 'last']
const stream = Buffer.concat(
  bodies.map((body, i) =>
    ttrpcFrame({ streamID: 2 * i + 1, type: FrameType.request, flags: i }, Buffer.from(body)),
  ),
)

function decode(bytes: Buffer, step: number) {
  const frames: unknown[] = []
  const decoder = new FrameDecoder(ttrpcFormat, (header, body) =>
    frames.push({ ...parseHeader(header), body: body.toString() }),
  )
  for (let start = 0; start < bytes.length; start += step) decoder.push(bytes.subarray(start, start + step))
  return { frames, midFrame: decoder.midFrame }
}

t.test('frames come out the same however the bytes are split', async (t) => {
  const expected = bodies.map((body, i) => ({ streamID: 2 * i + 1, type: 1, flags: i, body }))
  for (const step of [1, 2, 3, 9, 10, 11, 4096, stream.length]) {
    t.strictSame(decode(stream, step), { frames: expected, midFrame: false }, `${step} bytes at a time`)
  }
})

t.test('an end inside a header or a body is known', async (t) => {
  for (const [cut, midFrame] of [
    [0, false],
    [1, true],
    [9, true],
    [10, true],
    [14, true],
    [15, false],
    [16, true],
  ] as const) {
    t.equal(decode(stream.subarray(0, cut), 1).midFrame, midFrame, `after ${cut} bytes`)
  }
})

t.test('a frame of the greatest length passes, a byte more is refused in words', async (t) => {
  const header = { streamID: 1, type: FrameType.request, flags: 0 }
  const longest = ttrpcFrame(header, Buffer.alloc(4 << 20))
  t.equal(decode(longest, 1 << 16).frames.length, 1)
  longest.writeUInt32BE((4 << 20) + 1)
  t.throws(() => decode(longest, 1), /^A ttrpc frame announces 4194305 bytes, more than the 4194304/)
  t.throws(() => ttrpcFrame(header, Buffer.alloc((4 << 20) + 1)), /4194305 bytes is longer than/)
})

t.test('bytes of another protocol are refused, after the frames before them', async (t) => {
  const frames: string[] = []
  const decoder = new FrameDecoder(ttrpcFormat, (_, body) => frames.push(body.toString()))
  t.throws(() => decoder.push(Buffer.concat([stream, Buffer.from('HTTP/1.1 400 Bad Request\r\n')])), {
    message: /does not speak NRI/,
  })
  t.strictSame(frames, bodies)
})

t.test(
  'the multiplexer sends nothing that the Go side can not read, and takes what it may send',
  async (t) => {
    const sent = Buffer.from('0123456789'.repeat(1000))
    const received: Buffer[] = []
    const decoder = new FrameDecoder(muxFormat, (header, body) => {
      t.equal(header.readUInt32BE(0), 2)
      t.ok(body.length <= 4096)
      received.push(body)
    })
    for (const byte of muxFrames(2, sent)) decoder.push(Buffer.of(byte))
    t.strictSame(Buffer.concat(received), sent)

    const header = Buffer.alloc(8)
    header.writeUInt32BE((4 << 20) + 10, 4)
    decoder.push(header)
    t.ok(decoder.midFrame)
    header.writeUInt32BE((4 << 20) + 11, 4)
    t.throws(
      () => new FrameDecoder(muxFormat, () => {}).push(header),
      /A multiplexer frame announces 4194315/,
    )
  },
)
