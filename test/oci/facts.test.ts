import t from 'tap'
import { subjectOf } from '../../src/oci/facts.js'
import { identify } from '../../src/oci/identity.js'
import type { Spec } from '../../src/oci/spec.js'

const annotations = (type: string) => ({
  'io.kubernetes.cri.container-type': type,
  'io.kubernetes.cri.sandbox-id': 's1',
  'io.kubernetes.cri.sandbox-namespace': 'shop',
  'io.kubernetes.cri.sandbox-name': 'web',
  a: type,
})
const process = { user: { uid: 7 } }
const subject = (spec: Spec, annotations = spec.annotations ?? {}, labels = {}) =>
  subjectOf(spec, identify(spec, 'c1'), { annotations, labels })

t.test('a sandbox has the name and annotations of its pod, and no user', async (t) => {
  const spec = { annotations: annotations('sandbox'), process }
  t.strictSame(subject(spec), {
    namespace: 'shop',
    pod: 'web',
    labels: {},
    annotations: spec.annotations,
    user: undefined,
  })
})

t.test('a container has its user, and the annotations of its sandbox', async (t) => {
  const spec = { annotations: annotations('container'), process }
  const pod = { annotations: { a: 'pod' }, labels: { b: 'pod' } }
  t.match(subject(spec, pod.annotations, pod.labels), { pod: 'web', ...pod, user: 7 })
  t.equal(subject({ annotations: annotations('container') }).user, 0, 'root, when none is told')
})

t.test('a container of no pod has a user', async (t) => {
  t.strictSame(subject({ process }), {
    namespace: undefined,
    pod: undefined,
    labels: {},
    annotations: {},
    user: 7,
  })
})
