import t from 'tap'
import { identify, labelsIn } from '../../src/oci/identity.js'

const cri = (type: string, more: Record<string, string> = {}) => ({
  annotations: { 'io.kubernetes.cri.container-type': type, 'io.kubernetes.cri.sandbox-id': 's1', ...more },
})

t.test("containerd's sandbox", async (t) => {
  const spec = cri('sandbox', {
    'io.kubernetes.cri.sandbox-uid': 'u1',
    'io.kubernetes.cri.sandbox-namespace': 'default',
    'io.kubernetes.cri.sandbox-name': 'web',
  })
  t.match(identify(spec, 's1'), {
    role: 'sandbox',
    sandboxID: 's1',
    podUID: 'u1',
    namespace: 'default',
    name: 'web',
  })
})

t.test("containerd's container", async (t) => {
  const spec = cri('container', { 'io.kubernetes.cri.container-name': 'app' })
  t.match(identify(spec, 'c1'), {
    role: 'container',
    containerID: 'c1',
    sandboxID: 's1',
    containerName: 'app',
  })
  t.equal(identify(spec, 'c1').podUID, undefined)
})

t.test("CRI-O's sandbox", async (t) => {
  const annotations = {
    'io.kubernetes.cri-o.ContainerType': 'sandbox',
    'io.kubernetes.cri-o.SandboxID': 's2',
    'io.kubernetes.pod.uid': 'u2',
  }
  t.match(identify({ annotations }, 's2'), { role: 'sandbox', sandboxID: 's2', podUID: 'u2' })
})

t.test('a sandbox without a uid is known by its id', async (t) => {
  t.equal(identify(cri('sandbox'), 's1').podUID, 's1')
  t.equal(identify(cri('sandbox', { 'io.kubernetes.cri.sandbox-uid': '' }), 's1').podUID, 's1')
})

t.test('a container of no pod is a pod of its own', async (t) => {
  t.match(identify({}, 'c9'), { role: 'sandbox', isAlone: true, sandboxID: 'c9', podUID: 'c9' })
  t.equal(identify(cri('sandbox'), 's1').isAlone, false)
})

t.test('refused', async (t) => {
  t.throws(() => identify(cri('pod'), 'x'), { message: /"pod", and neither sandbox nor container/ })
  t.throws(() => identify({ annotations: { 'io.kubernetes.cri.container-type': 'sandbox' } }, 'x'), {
    message: /no io.kubernetes.cri.sandbox-id/,
  })
  // A pod of CRI-O whose author writes containerd's annotations, to be taken for another pod.
  const posing = cri('sandbox', {
    'io.kubernetes.cri-o.ContainerType': 'sandbox',
    'io.kubernetes.cri-o.SandboxID': 's1',
    'io.kubernetes.cri.sandbox-namespace': 'kube-system',
  })
  t.throws(() => identify(posing, 's1'), {
    message: /both annotations .*cri.container-type and .*cri-o.ContainerType/,
  })
})

t.test('labels, by the engine that tells them', async (t) => {
  const ofCrio = (labels?: string) => ({
    'io.kubernetes.cri-o.ContainerType': 'sandbox',
    ...(labels !== undefined && { 'io.kubernetes.cri-o.Labels': labels }),
  })
  t.strictSame(labelsIn(ofCrio('{"app":"web","a/b":""}')), { app: 'web', 'a/b': '' })
  t.strictSame(labelsIn(ofCrio()), {})
  for (const text of ['', '[]', 'null', '{"a":1}', '"a"'])
    t.throws(() => labelsIn(ofCrio(text)), { message: /cri-o\.Labels is no map of texts in JSON/ }, text)
  const ofContainerd = {
    'io.kubernetes.cri.container-type': 'sandbox',
    'io.kubernetes.cri-o.Labels': '{"app":"web"}',
  }
  t.equal(labelsIn(ofContainerd), undefined, "not by a pod's own annotation")
  t.equal(labelsIn({}), undefined)
})
