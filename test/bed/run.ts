import { type ExecFileOptions, execFile } from 'node:child_process'

/** Runs a program and answers its stdout. Throws an error that holds the command and its stderr. */
export function run(file: string, args: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { maxBuffer: 64 << 20, ...options, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      reject(new Error(`${file} ${args.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }))
    })
  })
}
