import t from 'tap'
import { parseSpec } from '../../src/oci/spec.js'

const good = { ociVersion: '1.2.0', root: { path: 'rootfs' }, linux: {} }

const bad: [what: string, text: string, reason: RegExp][] = [
  ['nothing', '', /not JSON/],
  ['half of it', '{"root":', /not JSON/],
  ['a list', '[]', /not an object/],
  ['null', 'null', /not an object/],
  ['no root', JSON.stringify({ linux: {} }), /"root"/],
  ['no linux section', JSON.stringify({ root: { path: 'rootfs' } }), /"linux"/],
  ['a root without a path', JSON.stringify({ ...good, root: {} }), /"root"/],
  ['annotations that are numbers', JSON.stringify({ ...good, annotations: { a: 1 } }), /"annotations"/],
  ['a list of annotations', JSON.stringify({ ...good, annotations: [] }), /"annotations"/],
  ['a mount that is a string', JSON.stringify({ ...good, mounts: ['/x'] }), /"mounts"/],
  [
    'mount options that are a string',
    JSON.stringify({ ...good, mounts: [{ destination: '/x', options: 'ro' }] }),
    /"mounts"/,
  ],
  ['a namespace without a type', JSON.stringify({ ...good, linux: { namespaces: [{}] } }), /"linux"/],
  [
    'a mapping that is not a number',
    JSON.stringify({ ...good, linux: { uidMappings: [{ containerID: 0, hostID: '1', size: 1 }] } }),
    /"linux"/,
  ],
  ['a negative uid', JSON.stringify({ ...good, process: { user: { uid: -1 } } }), /"process"/],
  ['a uid beyond 32 bits', JSON.stringify({ ...good, process: { user: { uid: 2 ** 32 } } }), /"process"/],
]

for (const [what, text, reason] of bad) {
  t.test(`refused: ${what}`, async (t) => {
    t.throws(() => parseSpec(text), { message: reason })
  })
}

t.test('unknown keys and absent parts are kept as they are', async (t) => {
  const spec = { ...good, vm: { hypervisor: 1 }, mounts: null, process: { user: {}, args: ['x'] } }
  t.same(parseSpec(JSON.stringify(spec)), spec)
})
