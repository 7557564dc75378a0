import t from 'tap'
import { BLOCK, type Span } from '../../src/ranges/range.js'
import { parseAnyRecord, parseRecord, printRecord } from '../../src/ranges/record.js'

const LONG = 16 * BLOCK
const SPAN: Span = { firstID: BLOCK, count: 100 * BLOCK, idsPerPod: BLOCK }
const LONG_SPAN: Span = { firstID: LONG, count: 10 * LONG, idsPerPod: LONG }

const mapping = { hostId: 131072, containerId: 0, length: 65536 }
const record = (uidMappings: unknown, gidMappings = uidMappings) =>
  JSON.stringify({ uidMappings, gidMappings })
const changed = (change: object) => record([{ ...mapping, ...change }])

t.test('printed as the kubelet does', async (t) => {
  t.equal(
    printRecord({ hostID: 131072, length: 65536 }),
    '{"uidMappings":[{"hostId":131072,"containerId":0,"length":65536}],"gidMappings":[{"hostId":131072,"containerId":0,"length":65536}]}',
  )
  t.equal(
    printRecord({ hostID: 2097152, length: 1048576 }),
    '{"uidMappings":[{"hostId":2097152,"containerId":0,"length":1048576}],"gidMappings":[{"hostId":2097152,"containerId":0,"length":1048576}]}',
  )
})

t.test('good records', async (t) => {
  const cases: [string, string, Span, hostID: number, length?: number][] = [
    ['as printed', printRecord({ hostID: 131072, length: BLOCK }), SPAN, 131072],
    ['first of the span', printRecord({ hostID: BLOCK, length: BLOCK }), SPAN, BLOCK],
    ['last of the span', printRecord({ hostID: 100 * BLOCK, length: BLOCK }), SPAN, 100 * BLOCK],
    ['long', printRecord({ hostID: 3 * LONG, length: LONG }), LONG_SPAN, 3 * LONG],
    ['longer than others', printRecord({ hostID: LONG, length: LONG }), SPAN, LONG, LONG],
    ['shorter than others', printRecord({ hostID: 17 * BLOCK, length: BLOCK }), LONG_SPAN, 17 * BLOCK, BLOCK],
    [
      'white space and a newline',
      `${JSON.stringify(JSON.parse(record([mapping])), null, 2)}\n`,
      SPAN,
      131072,
    ],
    ['keys in another order', record([{ length: 65536, containerId: 0, hostId: 131072 }]), SPAN, 131072],
    ['unknown keys', `{"version":2,${changed({ note: 'x' }).slice(1)}`, SPAN, 131072],
  ]
  for (const [name, text, span, hostID, length = span.idsPerPod] of cases) {
    t.same(parseRecord(text, span), { hostID, length }, name)
  }
})

t.test('a record of another manager, of any length and place', async (t) => {
  for (const range of [
    { hostID: 1048576, length: 1048576 },
    { hostID: 100000, length: 5 },
  ])
    t.strictSame(parseAnyRecord(printRecord(range)), range)
  t.throws(() => parseAnyRecord('{}'), { message: /^uidMappings is missing$/ })
})

t.test('bad records', async (t) => {
  const other = { ...mapping, hostId: 196608 }
  const without = (key: string) => changed({ [key]: undefined })
  const cases: [string, string, RegExp][] = [
    ['text', 'hello', /^not JSON: /],
    ['nothing', '', /^not JSON: /],
    ['white space', ' \n', /^not JSON: /],
    ['cut short', record([mapping]).slice(0, -2), /^not JSON: /],
    ['rubbish behind', `${record([mapping])}x`, /^not JSON: /],
    ['zeroes of a power failure', '\0'.repeat(130), /^not JSON: /],
    ['null', 'null', /^not a JSON object, but null$/],
    ['number', '5', /^not a JSON object, but 5$/],
    ['list', `[${record([mapping])}]`, /^not a JSON object, but a list$/],
    ['empty object', '{}', /^uidMappings is missing$/],
    ['no uids', JSON.stringify({ gidMappings: [mapping] }), /^uidMappings is missing$/],
    ['no gids', JSON.stringify({ uidMappings: [mapping] }), /^gidMappings is missing$/],
    ['uids null', record(null, [mapping]), /^uidMappings is not a list, but null$/],
    ['mapping without a list', record(mapping), /^uidMappings is not a list, but an object$/],
    ['uids empty', record([], [mapping]), /^uidMappings has 0 mappings, but must have one$/],
    ['gids empty', record([mapping], []), /^gidMappings has 0 mappings/],
    ['two for uids', record([mapping, other], [mapping]), /^uidMappings has 2 mappings/],
    ['two for gids', record([mapping], [mapping, other]), /^gidMappings has 2 mappings/],
    ['mapping null', record([null]), /^the mapping in uidMappings is not an object, but null$/],
    [
      'mapping a list',
      record([[131072, 0, 65536]]),
      /^the mapping in uidMappings is not an object, but a list$/,
    ],
    ['ids differ', record([mapping], [other]), /^uids and gids differ: hostId is 131072 .* 196608/],
    ['lengths differ', record([mapping], [{ ...mapping, length: 131072 }]), /^uids and gids differ: length/],
    ['container id', changed({ containerId: 1 }), /^containerId is 1, but must be 0/],
    ['container id of gids', record([mapping], [{ ...mapping, containerId: 5 }]), /^containerId is 5/],
    ['no length', without('length'), /^length is missing in uidMappings$/],
    ['no container id', without('containerId'), /^containerId is missing/],
    ['no host id', without('hostId'), /^hostId is missing/],
    ['too short', changed({ length: 65535 }), /^length is 65535, but must be a multiple of 65536 and not 0$/],
    ['no whole number of blocks', changed({ length: 65537 }), /^length is 65537/],
    ['length 0', changed({ length: 0 }), /^length is 0/],
    ['unaligned', changed({ hostId: 131073 }), /^hostId is 131073, .* not a multiple of the length 65536$/],
    ['block 0', changed({ hostId: 0 }), /^hostId is 0, but ids 0-65535 belong to the host$/],
    ['fraction', changed({ hostId: 131072.5 }), /^hostId in uidMappings is 131072.5, .* whole number/],
    ['negative', changed({ hostId: -65536 }), /^hostId in uidMappings is -65536/],
    ['beyond 32 bits', changed({ hostId: 2 ** 32 }), /^hostId in uidMappings is 4294967296/],
    ['huge', record([mapping]).replaceAll('131072', '1e400'), /^hostId in uidMappings is Infinity/],
    ['string', changed({ hostId: '131072' }), /^hostId in uidMappings is a string/],
    ['length a string', changed({ length: '65536' }), /^length in uidMappings is a string/],
    ['boolean', changed({ containerId: false }), /^containerId in uidMappings is false/],
    ['host id null', changed({ hostId: null }), /^hostId in uidMappings is null/],
    [
      'above the span',
      changed({ hostId: 101 * BLOCK }),
      /^the range 6619136-6684671 lies outside .* 65536-6619135$/,
    ],
    ['the last block', changed({ hostId: 4294901760 }), /outside the configured span/],
  ]
  for (const [name, text, message] of cases) t.throws(() => parseRecord(text, SPAN), { message }, name)
})

t.test('bad records of long ranges', async (t) => {
  const cases: [string, number, number, RegExp][] = [
    ['aligned to a block only', LONG + BLOCK, LONG, /^hostId is 1114112, .* multiple of the length 1048576$/],
    ['block 0', 0, LONG, /belong to the host/],
    ['above the span', 11 * LONG, LONG, /outside the configured span/],
  ]
  for (const [name, hostID, length, message] of cases) {
    t.throws(() => parseRecord(printRecord({ hostID, length }), LONG_SPAN), { message }, name)
  }
  const high = { ...SPAN, firstID: 10 * BLOCK }
  const below = printRecord({ hostID: 9 * BLOCK, length: BLOCK })
  t.throws(() => parseRecord(below, high), { message: /outside the configured span/ }, 'below the span')
})
