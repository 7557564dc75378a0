import t from 'tap'
import { HANDLER, startNode } from '../bed/index.js'
t.test('x', async (t) => {
  const node = await startNode({ version: '2.1', progress: console.error })
  t.teardown(() => node.stop())
  const { cri } = node.containerd
  const pod = await cri.runPod({ name: 'a', handler: HANDLER }).catch(async (e) => { console.error(e, await node.events()); throw e })
  const id = await cri.runContainer(pod, { name: 'x', command: ['/bin/sleep', '1000'] })
  console.error(await cri.exec(id, 'id; cat /proc/self/uid_map; ls -ln /'))
  console.error(await node.status(), await node.list())
  await cri.removePod(pod.id)
  console.error(await node.events(), await node.status())
})
