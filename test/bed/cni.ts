import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A plugin's configuration as it stands in a conflist. */
export type CniPlugin = Readonly<{ type: string }> & Readonly<Record<string, unknown>>

/** What is needed to set up the network of a bed's pods: a veth pair for each, with an address of the subnet. */
export interface CniInput {
  readonly directory: string
  readonly name: string
  readonly subnet: string
  /** A directory of plugins. */
  readonly plugins: string
  /** More plugins, paths by name. */
  readonly ownPlugins: Readonly<Record<string, string>>
  /** Chains of plugins, by runtime handler, that are called before the network's plugin. */
  readonly chains: Readonly<Record<string, readonly CniPlugin[]>>
}

export async function setUpCni(input: CniInput): Promise<void> {
  const bin = cniBin(input.directory)
  await mkdir(bin, { recursive: true })
  for (const name of await readdir(input.plugins)) await symlink(join(input.plugins, name), join(bin, name))
  for (const [name, path] of Object.entries(input.ownPlugins)) await symlink(path, join(bin, name))
  for (const [handler, chain] of Object.entries({ ...input.chains, '': [] }))
    await writeConflist(cniConf(input.directory, handler), input.name, [...chain, network(input)])
}

/** All plugins by name. */
export const cniBin = (directory: string) => join(directory, 'bin')

/** The configuration of a handler's network, or of the handlers that have none of their own. */
export const cniConf = (directory: string, handler = '') =>
  join(directory, handler ? `conf-${handler}` : 'conf')

function network({ directory, subnet }: CniInput): CniPlugin {
  return {
    type: 'ptp',
    ipam: { type: 'host-local', ranges: [[{ subnet }]], dataDir: join(directory, 'addresses') },
  }
}

async function writeConflist(directory: string, name: string, plugins: readonly CniPlugin[]): Promise<void> {
  await mkdir(directory)
  const list = { cniVersion: '1.0.0', name, plugins }
  await writeFile(join(directory, '10-bed.conflist'), JSON.stringify(list, null, 2))
}
