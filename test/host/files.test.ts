import { join } from 'node:path'
import t from 'tap'
import { readHostFiles, readKubeletPods } from '../../src/host/files.js'
import { printRecord } from '../../src/ranges/record.js'

t.test('files of /etc', async (t) => {
  const etc = t.testdir({
    subuid: 'a:100000:65536\n',
    subgid: 'b:200000:65536\n',
    passwd: 'c:x:70000:70001::/:\n',
    group: 'd:x:70002:\n',
  })
  const at = (name: string) => join(etc, name)
  t.strictSame(await readHostFiles(etc), {
    subuids: {
      path: at('subuid'),
      entries: [{ owner: 'a', line: 1, hostID: 100000, length: 65536 }],
      unreadable: [],
    },
    subgids: {
      path: at('subgid'),
      entries: [{ owner: 'b', line: 1, hostID: 200000, length: 65536 }],
      unreadable: [],
    },
    passwd: { path: at('passwd'), accounts: [{ name: 'c', id: 70000, groupID: 70001, line: 1 }] },
    group: { path: at('group'), accounts: [{ name: 'd', id: 70002, groupID: undefined, line: 1 }] },
  })
})

t.test('missing ones are empty', async (t) => {
  const { subuids, subgids, passwd, group } = await readHostFiles(t.testdir({}))
  t.strictSame([subuids.entries, subgids.entries, passwd.accounts, group.accounts], [[], [], [], []])
})

t.test('one that can not be read is not taken for empty', async (t) => {
  for (const name of ['subuid', 'subgid', 'passwd', 'group']) {
    const etc = t.testdir({ [name]: {} })
    await t.rejects(readHostFiles(etc), { message: `cannot read ${join(etc, name)}: EISDIR` }, name)
  }
})

const noProblem = (error: Error) => {
  throw error
}

t.test("the kubelet's pods", async (t) => {
  const pods = t.testdir({
    'uid-1': { userns: printRecord({ hostID: 131072, length: 65536 }), volumes: {} },
    // Its ids per pod are a setting of the kubelet's own.
    'uid-2': { userns: printRecord({ hostID: 1048576, length: 1048576 }) },
    'without one of its own': { volumes: {} },
    empty: { userns: '' },
    'no directory': 'x',
  })
  const at = (uid: string) => join(pods, uid, 'userns')
  t.strictSame(
    (await readKubeletPods(pods, noProblem)).toSorted((a, b) => a.owner.localeCompare(b.owner)),
    [
      {
        owner: `the kubelet's pod uid-1, ids 131072-196607 (${at('uid-1')})`,
        ranges: [{ hostID: 131072, length: 65536 }],
      },
      {
        owner: `the kubelet's pod uid-2, ids 1048576-2097151 (${at('uid-2')})`,
        ranges: [{ hostID: 1048576, length: 1048576 }],
      },
    ],
  )
  t.strictSame(await readKubeletPods(join(pods, 'missing'), noProblem), [])
  const file = join(pods, 'no directory')
  await t.rejects(readKubeletPods(file, noProblem), { message: `cannot read ${file}: ENOTDIR` })
})

t.test('a record that can not be understood is told, and the others count', async (t) => {
  const good = printRecord({ hostID: 131072, length: 65536 })
  const pods = t.testdir({
    bad: { userns: good.slice(1) },
    directory: { userns: {} },
    good: { userns: good },
  })
  const problems: string[] = []
  const others = await readKubeletPods(pods, ({ message }) => problems.push(message))
  t.strictSame(
    others.map(({ ranges }) => ranges),
    [[{ hostID: 131072, length: 65536 }]],
  )
  t.match(problems.sort(), [
    `${join(pods, 'bad/userns')}: not JSON: `,
    `${join(pods, 'directory/userns')}: EISDIR`,
  ])
  for (const problem of problems) t.match(problem, /\. The ids of that pod of the kubelet are not known$/)
})
