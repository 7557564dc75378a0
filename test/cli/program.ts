import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { callAdmin } from '../../src/admin/client.js'

/** The program as it is installed: `npm run build` has made it. */
const PROGRAM = fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url))

export const FIRST_ID = 1000013824

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export function nriUserns(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}

/** A daemon's config in a directory of the test's own; no container runtime is there. */
export async function configOf(t: Test, keys: Readonly<Record<string, unknown>> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'nri-userns-cli-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const at = (name: string) => join(directory, name)
  const config = {
    stateDirectory: at('lib'),
    runDirectory: at('run'),
    // Where no test bed's pods live.
    ranges: { firstID: FIRST_ID, count: 147128320 },
    nri: { socket: at('nri.sock') },
    log: { format: 'json' },
    ...keys,
  }
  await writeFile(at('config.yaml'), stringify(config))
  return {
    path: at('config.yaml'),
    socket: at('run/admin.sock'),
    stateDirectory: at('lib'),
    runDirectory: at('run'),
  }
}

export type TestConfig = Awaited<ReturnType<typeof configOf>>

/** A daemon that serves, until the test ends or it is told to stop. */
export async function startDaemon(t: Test, config: TestConfig) {
  const child = spawn(process.execPath, [PROGRAM, 'daemon', '-c', config.path], {
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const exit = once(child, 'close') as Promise<[number | null]>
  t.teardown(() => child.kill('SIGKILL') && exit)
  for (let tries = 0; ; tries++) {
    const isServing =
      existsSync(config.socket) && (await callAdmin(config.socket, 'status').catch(() => undefined))
    if (isServing) break
    if (child.exitCode !== null || tries > 500) throw new Error(`the daemon doesn't serve:\n${output}`)
    await sleep(20)
  }
  return {
    pid: child.pid!,
    output: () => output,
    async end(signal: NodeJS.Signals): Promise<number | null> {
      child.kill(signal)
      return (await exit)[0]
    },
  }
}
