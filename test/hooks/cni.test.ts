import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CniRequest } from '../../src/shim/protocol.js'
import { ShimServer } from '../../src/shim/server.js'
import { ShimProgram } from './program.js'

const ENVIRONMENT = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'K8S_POD_UID=u1',
}

/** The program by the name that makes it a CNI plugin. */
function plugin(t: Test): ShimProgram {
  const program = new ShimProgram(t, '/bin/false')
  program.call = join(program.directory, 'nri-userns-cni')
  symlinkSync('nri-userns-runtime', program.call)
  return program
}

async function daemon(t: Test, plugin: ShimProgram, cni: (request: CniRequest) => Promise<string>) {
  const server = new ShimServer(plugin.socket, {
    create: async () => {},
    cni,
    deleted: () => {},
    onProblem: (error) => t.fail(error.message),
  })
  await server.start()
  t.teardown(() => server.stop())
}

t.test('a call reaches the daemon as it is, and its result the caller', async (t) => {
  const program = plugin(t)
  const requests: CniRequest[] = []
  await daemon(t, program, async (request) => {
    requests.push(request)
    return '{"cniVersion":"1.0.0"}'
  })
  const config = `{"cniVersion":"1.0.0","long":"${'x'.repeat(100_000)}"}`
  const { code, stdout } = await program.run([], { env: ENVIRONMENT, input: config })
  t.equal(code, 0)
  t.equal(stdout, '{"cniVersion":"1.0.0"}')
  t.strictSame(requests, [
    {
      verb: 'cni',
      command: 'ADD',
      containerID: 'c1',
      netns: '/run/netns/x',
      ifName: 'eth0',
      args: 'K8S_POD_UID=u1',
      config,
    },
  ])
})

t.test('variables that are missing are empty', async (t) => {
  const program = plugin(t)
  await daemon(t, program, async ({ command, containerID, netns }) =>
    JSON.stringify([command, containerID, netns]),
  )
  t.match(await program.run([], { env: {}, input: '{}' }), { code: 0, stdout: '["","",""]' })
})

t.test('a refusal is an error as CNI has it', async (t) => {
  const program = plugin(t)
  await daemon(t, program, async () => {
    throw new Error('no "range"\nis left')
  })
  const { code, stdout } = await program.run([], { env: ENVIRONMENT, input: '{}' })
  t.equal(code, 1)
  t.strictSame(JSON.parse(stdout), { cniVersion: '1.0.0', code: 11, msg: 'nri-userns: no "range"\nis left' })
})

t.test('without a daemon', async (t) => {
  const program = plugin(t)
  const call = (command: string) =>
    program.run([], { env: { ...ENVIRONMENT, CNI_COMMAND: command }, input: '{}' })
  for (const command of ['ADD', 'CHECK', 'GC']) {
    const { code, stdout } = await call(command)
    t.equal(code, 1)
    t.match(JSON.parse(stdout), {
      code: 11,
      msg: /the daemon does not answer .* so the pod's network was not made/,
    })
  }
  const status = await call('STATUS')
  t.match(JSON.parse(status.stdout), { code: 50 }, 'the plugin is not available')
  t.match(await call('DEL'), { code: 0, stdout: '' }, 'pods go all the same')
  const version = await call('VERSION')
  t.match(JSON.parse(version.stdout), { supportedVersions: ['0.4.0', '1.0.0', '1.1.0'] })
})

const bad: [what: string, input: string, reason: RegExp][] = [
  ['too long', 'x'.repeat(200_000), /longer than \d+ bytes/],
  ['with a zero byte', '{"a":\0}', /zero byte/],
]
for (const [what, input, reason] of bad)
  t.test(`a configuration ${what}`, async (t) => {
    const program = plugin(t)
    await daemon(t, program, async () => t.fail('it must not be asked') as never)
    const { code, stdout } = await program.run([], { env: ENVIRONMENT, input })
    t.equal(code, 1)
    t.match(JSON.parse(stdout).msg, reason)
  })
