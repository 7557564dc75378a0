import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const repository = new URL('../..', import.meta.url).pathname

/** The shim in a directory of its own, its settings beside it. */
export class ShimProgram {
  readonly directory = mkdtempSync(join(tmpdir(), 'nri-userns-hook-'))
  readonly path = join(this.directory, 'nri-userns-runtime')
  /** What run() calls. */
  call = this.path
  readonly socket = join(this.directory, 'shim.sock')

  constructor(t: { teardown(action: () => void): void }, runtime: string) {
    t.teardown(() => rmSync(this.directory, { recursive: true }))
    execFileSync('make', ['-s', '-C', join(repository, 'hooks')])
    copyFileSync(join(repository, 'hooks/build/nri-userns-runtime'), this.path)
    this.configure(`# settings of a test\nruntime = ${runtime}\n\nsocket = ${this.socket}\n`)
  }

  configure(text: string, mode = 0o644): void {
    rmSync(`${this.path}.conf`, { force: true })
    writeFileSync(`${this.path}.conf`, text, { mode })
  }

  run(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string } = {}) {
    const child = spawn(this.call, args, { ...options, stdio: 'pipe' })
    const out = { code: null as number | null, stdout: '', stderr: '', ms: 0 }
    const start = performance.now()
    child.stdout.on('data', (chunk) => {
      out.stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      out.stderr += chunk
    })
    // A program that refuses doesn't read its input.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    return new Promise<typeof out>((resolve) =>
      child.on('close', (code) => resolve({ ...out, code, ms: performance.now() - start })),
    )
  }
}
