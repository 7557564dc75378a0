import t from 'tap'
import { siblingBundle } from '../../src/pods/sandbox.js'

t.test("a sandbox's bundle lies beside its containers'", async (t) => {
  const containerd = '/run/containerd/io.containerd.runtime.v2.task/k8s.io'
  t.equal(siblingBundle(`${containerd}/c1`, 'c1', 's1'), `${containerd}/s1`)
  const crio = '/run/containers/storage/overlay-containers'
  t.equal(siblingBundle(`${crio}/c1/userdata`, 'c1', 's1'), `${crio}/s1/userdata`)
})
