import t, { type Test } from 'tap'
import { defaultConfig } from '../../src/config/schema.js'
import { ContainerdLabels } from '../../src/containerd/labels.js'
import type { LogFields, LogLevel } from '../../src/observe/log.js'
import type { Node } from '../../src/pods/node.js'
import { avoidOthers, avoidOwners } from '../../src/pods/others.js'
import { synchronize } from '../../src/pods/synchronize.js'
import type { Other } from '../../src/ranges/others.js'
import { newUserns } from '../kernel/scratch.js'
import { nth, openLedger, sandbox, scratch, spanOf } from '../ledger/scratch.js'

const directories = (t: Test) => {
  const directory = t.testdir({ sysfs: {}, userns: {} })
  return { sysfsDirectory: `${directory}/sysfs`, usernsDirectory: `${directory}/userns` }
}

type Event = [level: LogLevel, message: string, fields: LogFields | undefined]

/** A node without a kernel's thread: nothing is mounted here. */
async function open(t: Test, readOthers: () => Promise<Other[]>, othersLevel: Node['othersLevel'] = 'warn') {
  const events: Event[] = []
  const writer = (level: LogLevel) => (message: string, fields?: LogFields) =>
    void events.push([level, message, fields])
  const node: Node = {
    ledger: await openLedger(scratch(t), { span: spanOf(4), podLimit: 4 }),
    perform: async () => {},
    probe: async () => [],
    policy: defaultConfig.policy,
    unsupportedVolumes: 'refuse',
    network: 'shared',
    log: { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') },
    announced: new Set(),
    ...directories(t),
    idsPerPod: 65536,
    containerd: new ContainerdLabels('/nowhere'),
    readOthers,
    othersLevel,
  }
  return { node, events: () => events.splice(0).filter(([, message]) => message !== 'synchronized') }
}

const other = (owner: string, ...ns: number[]): Other => ({ owner, ranges: ns.map(nth) })
const avoidedFor = (owners: string, avoided: number): LogFields => ({
  reason: `no pod gets the ranges in which others own ids: ${owners}`,
  avoided,
})

t.test('others are avoided, and told of once, in one line', async (t) => {
  const below = { owner: 'below the span', ranges: [{ hostID: 1000, length: 1 }] }
  const others = [other('a', 0), other('b', 0, 1), below]
  const { node, events } = await open(t, async () => others)
  await avoidOwners(node)
  t.match(node.ledger.usage, { avoided: 2, free: 2 })
  t.strictSame(events(), [['warn', 'ranges avoided', avoidedFor('a; b', 2)]])
  await avoidOwners(node)
  t.strictSame(events(), [])

  others.push(other('c', 3))
  await avoidOwners(node)
  t.strictSame(events(), [['warn', 'ranges avoided', avoidedFor('c', 3)]])
  others.splice(0)
  await avoidOwners(node)
  t.match(node.ledger.usage, { avoided: 0, free: 4 })
  t.strictSame(events(), [])
})

t.test('where they are expected it is no warning', async (t) => {
  const { node, events } = await open(t, async () => [other('a', 0)], 'info')
  await avoidOwners(node)
  t.strictSame(events(), [['info', 'ranges avoided', avoidedFor('a', 1)]])
})

t.test('a pod that has its range already', async (t) => {
  const { node, events } = await open(t, async () => [other('a', 0)])
  const pod = { uid: 'uid-1', namespace: 'default', name: 'web' }
  await node.ledger.assign(pod, sandbox('s1'))
  await avoidOwners(node)
  t.strictSame(events()[0], [
    'error',
    'id range shared',
    {
      pod: 'web',
      namespace: 'default',
      uid: 'uid-1',
      range: '65536-131071',
      reason: 'ids in it are also those of a: delete the pod, so that it is made anew in another range',
    },
  ])
  await node.ledger.release('uid-1')
  t.match(node.ledger.usage, { used: 0, avoided: 1, free: 3 }, 'no other gets it')
})

t.test('at the start, who lives is avoided too, unless it is a pod of ours', async (t) => {
  const { node } = await open(t, async () => [])
  await node.ledger.assign({ uid: 'uid-1' }, sandbox('s1'))
  const ours = nth(0).hostID
  // Claims are told by their ranges: other namespaces of this machine may be there as well.
  const [inside, elsewhere] = [ours + 1000, nth(2).hostID + 1000]
  await newUserns(t, inside, 77)
  await newUserns(t, elsewhere, 77)
  await avoidOthers(node)
  const claims = node.ledger.claims('passing')
  t.ok(claims.includes(`user namespace ${elsewhere}-${elsewhere + 76}`))
  t.notOk(claims.includes(`user namespace ${inside}-${inside + 76}`))
})

t.test('Synchronize gives up what lived, keeps what is owned, and looks again', async (t) => {
  const others = [other('a', 0)]
  const { node, events } = await open(t, async () => others)
  await avoidOwners(node)
  node.ledger.avoid('sandbox of a pod that is gone', [nth(1)])
  await synchronize(node, [])
  t.strictSame(node.ledger.claims('standing'), ['a'])
  t.notOk(node.ledger.claims('passing').includes('sandbox of a pod that is gone'))
  t.match(node.ledger.usage, { avoided: 1 })

  others.push(other('b', 2))
  events()
  await synchronize(node, [])
  t.strictSame(events(), [['warn', 'ranges avoided', avoidedFor('b', 2)]])
})

t.test('what can not be read at Synchronize goes on to be avoided', async (t) => {
  const error = new Error('cannot read /etc/subuid')
  let isReadable = true
  const { node, events } = await open(t, async () => {
    if (!isReadable) throw error
    return [other('a', 0)]
  })
  await avoidOwners(node)
  events()
  isReadable = false
  await synchronize(node, [])
  t.match(node.ledger.usage, { avoided: 1 })
  t.strictSame(events(), [['warn', 'problem', { error }]])
  await t.rejects(avoidOwners(node), error, 'the start is told')
})
