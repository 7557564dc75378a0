import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Store } from '../../src/ledger/store.js'
import { put, scratch } from './scratch.js'

const open = (directory: string) => {
  const problems: Error[] = []
  return { problems, store: new Store(directory, (error) => problems.push(error)) }
}

t.test('written, read, removed', async (t) => {
  const directory = join(scratch(t), 'not', 'there', 'yet')
  const { store, problems } = open(directory)
  t.same(await store.readAll(), [], 'no pods directory')
  await store.write('pod', 'text')
  await store.addSandbox('pod', 'sandbox', '/bundle')
  const pod = join(directory, 'pods', 'pod')
  t.same(readdirSync(pod).sort(), ['sandboxes', 'userns'], 'no temporary file')
  t.equal(readFileSync(store.recordOf('pod'), 'utf8'), 'text')
  t.equal(statSync(store.recordOf('pod')).mode & 0o777, 0o600)
  for (const path of [directory, join(directory, 'pods'), pod, join(pod, 'sandboxes')]) {
    t.equal(statSync(path).mode & 0o777, 0o700, path)
  }

  await store.write('pod', 'other text')
  const since = statSync(store.recordOf('pod')).mtime
  const sandboxes = [{ id: 'sandbox', bundle: '/bundle' }]
  t.same(await store.readAll(), [{ podUID: 'pod', text: 'other text', since, sandboxes }])

  await store.remove('pod')
  t.same(readdirSync(join(directory, 'pods')), [])
  await store.remove('pod')
  await store.flush()
  t.same(problems, [])
})

t.test('removed while the flush is pending', async (t) => {
  const { store, problems } = open(scratch(t))
  const pods = Array.from({ length: 50 }, (_, i) => `pod-${i}`)
  await Promise.all(
    pods.map(async (pod) => {
      await store.write(pod, 'text')
      await store.remove(pod)
    }),
  )
  await store.flush()
  t.same(problems, [])
  t.same(await store.readAll(), [])
})

t.test('sandboxes', async (t) => {
  const directory = scratch(t)
  const { store } = open(directory)
  const link = join(directory, 'pods', 'pod', 'sandboxes', 'one')
  await store.addSandbox('pod', 'one', '/bundles/one')
  t.equal(readlinkSync(link), '/bundles/one', 'makes the directories that it needs')
  await store.addSandbox('pod', 'one', '/bundles/one')
  await store.addSandbox('pod', 'one', '/elsewhere/one')
  t.equal(readlinkSync(link), '/elsewhere/one')
  await store.removeSandbox('pod', 'one')
  await store.removeSandbox('pod', 'one')
  await store.removeSandbox('unknown', 'one')
  t.notOk(existsSync(link))
})

t.test('leftovers', async (t) => {
  const directory = scratch(t)
  const { store } = open(directory)
  put(directory, {
    'pods/crashed/userns.tmp': '{"uidMap',
    'pods/crashed-later/userns.tmp': 'half',
    'pods/crashed-later/userns': 'whole',
    'pods/empty/userns': '',
    'pods/a file': 'not a pod',
  })
  mkdirSync(join(directory, 'pods', 'lost+found'))
  mkdirSync(join(directory, 'pods', 'bare'))
  const pods = await store.readAll()
  t.same(pods.map(({ podUID, text }) => [podUID, text]).sort(), [
    ['bare', undefined],
    ['crashed', undefined],
    ['crashed-later', 'whole'],
    ['empty', ''],
  ])
  t.same(readdirSync(join(directory, 'pods', 'crashed')), [], 'temporary file removed')
  t.same(readdirSync(join(directory, 'pods', 'crashed-later')), ['userns'])
})

t.test('remove leaves what it does not know', async (t) => {
  const directory = scratch(t)
  const { store, problems } = open(directory)
  await store.write('pod', 'text')
  await store.addSandbox('pod', 'gone', '/nowhere')
  put(directory, { 'pods/pod/notes': 'mine', 'pods/pod/sandboxes/notes': 'mine too' })
  await store.remove('pod')
  t.same(readdirSync(join(directory, 'pods', 'pod')).sort(), ['notes', 'sandboxes'])
  t.same(readdirSync(join(directory, 'pods', 'pod', 'sandboxes')), ['notes'])
  t.same(problems, [])
})

t.test('what can not be read is named', async (t) => {
  const cases: [string, (directory: string) => void, RegExp][] = [
    ['pods is a file', (d) => put(d, { pods: '' }), /^cannot read .*\/pods: ENOTDIR/],
    [
      'record is a directory',
      (d) => mkdirSync(join(d, 'pods/pod/userns'), { recursive: true }),
      /^cannot read .*\/pods\/pod\/userns: EISDIR/,
    ],
    [
      'record is a dangling link',
      (d) => {
        mkdirSync(join(d, 'pods/pod'), { recursive: true })
        symlinkSync('nowhere', join(d, 'pods/pod/userns'))
      },
      /^cannot read .*\/pods\/pod\/userns: ENOENT/,
    ],
    [
      'sandboxes is a file',
      (d) => put(d, { 'pods/pod/sandboxes': '' }),
      /^cannot read .*\/sandboxes: ENOTDIR/,
    ],
    [
      'sandbox is a file',
      (d) => put(d, { 'pods/pod/sandboxes/one': '' }),
      /^cannot read .*\/pods\/pod\/sandboxes\/one: EINVAL/,
    ],
    [
      'record in a directory that names no pod',
      (d) => put(d, { 'pods/-x/userns': '' }),
      /-x\/userns: pod uid "-x" can't/,
    ],
    [
      'temporary file is a directory',
      (d) => mkdirSync(join(d, 'pods/pod/userns.tmp'), { recursive: true }),
      /^cannot remove .*\/pods\/pod\/userns.tmp: E/,
    ],
  ]
  for (const [name, prepare, message] of cases) {
    const directory = scratch(t)
    prepare(directory)
    await t.rejects(open(directory).store.readAll(), { message }, name)
  }
})

t.test('what can not be written or removed is named, and nothing is left of it', async (t) => {
  const directory = scratch(t)
  const { store } = open(directory)
  put(directory, { 'pods/file': '', 'pods/linked/sandboxes/one/x': '' })
  mkdirSync(join(directory, 'pods/dir/userns'), { recursive: true })

  await t.rejects(store.write('file', 'text'), { message: /^cannot write .*\/pods\/file\/userns: E/ })
  await t.rejects(store.write('dir', 'text'), { message: /^cannot write .*\/pods\/dir\/userns: EISDIR/ })
  t.same(readdirSync(join(directory, 'pods/dir')), ['userns'])
  await t.rejects(store.remove('dir'), { message: /^cannot remove .*\/pods\/dir\/userns: E/ })
  await t.rejects(store.addSandbox('linked', 'one', '/b'), {
    message: /^cannot write .*\/sandboxes\/one: EINVAL/,
  })
  await t.rejects(store.removeSandbox('linked', 'one'), { message: /^cannot remove .*\/sandboxes\/one: E/ })
})

t.test('names that would leave the directory', async (t) => {
  const { store } = open(scratch(t))
  const refused = { message: /can't name a file/ }
  await t.rejects(store.write('../pod', 'text'), refused)
  await t.rejects(store.remove('..'), refused)
  await t.rejects(store.addSandbox('pod', '../x', '/bundle'), refused)
  await t.rejects(store.addSandbox('a/b', 'x', '/bundle'), refused)
  await t.rejects(store.removeSandbox('pod', ''), refused)
  await t.rejects(store.addSandbox('pod', 'x', 'bundle'), { message: /absolute path/ })
})
