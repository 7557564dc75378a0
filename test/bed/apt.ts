import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './run.js'
import { findSource } from './sources.js'

/** apt with lists, cache and sources of its own: it reads other Debian suites and installs nothing. */
export class PrivateApt {
  readonly #directory: string
  readonly #settings: string[]

  constructor(directory: string) {
    this.#directory = directory
    const at = (...path: string[]) => join(directory, ...path)
    this.#settings = [
      `Dir::Etc::SourceList=${at('sources.list')}`,
      `Dir::Etc::SourceParts=${at('empty')}`,
      `Dir::Etc::PreferencesParts=${at('empty')}`,
      `Dir::State::Lists=${at('lists')}`,
      `Dir::Cache=${at('cache')}`,
      'Acquire::Languages=none',
      // A mirror that stands still serves as well: what counts here is to get one version, signed.
      'Acquire::Check-Valid-Until=false',
      // The checkout may lie where the user _apt, that downloads are otherwise left to, can't reach.
      'APT::Sandbox::User=root',
    ].flatMap((setting) => ['-o', setting])
  }

  async update(suites: readonly string[]): Promise<void> {
    for (const path of ['empty', 'lists/partial', 'cache/archives/partial'])
      await mkdir(join(this.#directory, path), { recursive: true })
    const { uri, signedBy } = await machineSource()
    const options = signedBy ? `[signed-by=${signedBy}] ` : ''
    const lines = suites.map((suite) => `deb ${options}${uri} ${suite} main\n`)
    await writeFile(join(this.#directory, 'sources.list'), lines.join(''))
    await run('apt-get', [...this.#settings, 'update', '-qq', '--error-on=any'])
  }

  /** The versions that a suite has of a package, newest first. */
  async versions(name: string, suite: string): Promise<string[]> {
    const table = await run('apt-cache', [...this.#settings, 'madison', name])
    const rows = table.split('\n').map((row) => row.split('|').map((cell) => cell.trim()))
    return rows.flatMap(([, version, from]) => (version && from?.includes(` ${suite}/`) ? [version] : []))
  }

  /** Downloads packages, each as name=version, into a directory. */
  async download(packages: readonly string[], into: string): Promise<void> {
    await run('apt-get', [...this.#settings, 'download', '-qq', ...packages], { cwd: into })
  }
}

async function machineSource() {
  const suite = /^VERSION_CODENAME=(.*)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? ''
  const parts = await readdir('/etc/apt/sources.list.d').catch(() => [])
  const files = [
    ...parts
      .filter((name) => /\.(list|sources)$/.test(name))
      .map((name) => `/etc/apt/sources.list.d/${name}`),
    '/etc/apt/sources.list',
  ]
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))
  const source = findSource(texts, suite)
  if (source) return source
  throw new Error(`the test bed needs Debian: no source of suite "${suite}" in ${files.join(', ')}`)
}
