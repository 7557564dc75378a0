import t from 'tap'
import { decodeRequest, encodeNo, encodeYes, LIMIT } from '../../src/shim/protocol.js'

const frame = (...fields: string[]) => {
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(''))
  const header = Buffer.alloc(4)
  header.writeUInt32BE(body.length)
  return Buffer.concat([header, body])
}

t.test('requests', async (t) => {
  const create = { verb: 'create', containerID: 'c1', bundle: '/run/b' }
  t.same(decodeRequest(frame('1', 'create', 'c1', '/run/b')), create)
  t.same(decodeRequest(frame('1', 'run', 'c1', '/run/b')), create)
  t.same(decodeRequest(frame('1', 'restore', 'c1', '/run/b')), create)
  t.same(decodeRequest(frame('1', 'cni', 'ADD', 'c1', '/n', 'eth0', 'A=B', '{}')), {
    verb: 'cni',
    command: 'ADD',
    containerID: 'c1',
    netns: '/n',
    ifName: 'eth0',
    args: 'A=B',
    config: '{}',
  })
  t.same(decodeRequest(frame('1', 'delete', 'c1', '')), { verb: 'delete', containerID: 'c1', bundle: '' })
})

t.test('a request is incomplete until its last byte', async (t) => {
  const bytes = frame('1', 'create', 'c1', '/run/b')
  for (let length = 0; length < bytes.length; length++)
    t.equal(decodeRequest(bytes.subarray(0, length)), undefined)
})

const bad: [what: string, bytes: Buffer, reason: RegExp][] = [
  ['too long', Buffer.from([0, 2, 0x80, 1]), /163841 bytes is over the limit/],
  ['more than one', Buffer.concat([frame('1', 'delete', 'c', ''), Buffer.from('x')]), /bytes follow/],
  ['another version', frame('2', 'create', 'c1', '/b'), /version "2".*install both anew/],
  ['an unknown verb', frame('1', 'destroy', 'c1', '/b'), /"destroy"/],
  ["a verb of Object's", frame('1', 'toString', 'c1', '/b'), /"toString"/],
  ['too few fields', frame('1', 'create', 'c1'), /1 fields in place of 2/],
  ['too many fields', frame('1', 'create', 'c1', '/b', 'x'), /3 fields in place of 2/],
  ['no container', frame('1', 'create', '', '/b'), /names no container/],
  ['a relative bundle', frame('1', 'create', 'c1', 'b'), /no absolute path/],
  ['nothing', frame(), /version ""/],
  ['no end', Buffer.from('\0\0\0\x0b1\0create\0c1'), /last field/],
  ['too few fields of cni', frame('1', 'cni', 'ADD', 'c1'), /2 fields in place of 6/],
]

for (const [what, bytes, reason] of bad) {
  t.test(`refused: ${what}`, async (t) => {
    t.throws(() => decodeRequest(bytes), { message: reason })
  })
}

t.test('answers', async (t) => {
  t.same(encodeYes(), Buffer.from('\0\0\0\x01y'))
  t.same(encodeYes('{}'), Buffer.from('\0\0\0\x03y{}'))
  t.same(encodeNo('no'), Buffer.from('\0\0\0\x03nno'))
  t.same(encodeNo('').subarray(4).toString(), 'nthe daemon gave no reason')
  t.equal(encodeNo('x'.repeat(LIMIT)).length, 4 + LIMIT)
})
