import { Command, Option } from 'commander'
import { callAdmin } from '../admin/client.js'
import type { Method, Result } from '../admin/protocol.js'
import { DEFAULT_CONFIG_FILE, loadConfig } from '../config/load.js'

export const configOption = (): Option =>
  new Option('-c, --config <file>', `the daemon's config (default: ${DEFAULT_CONFIG_FILE}, if it is there)`)

export const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how the answer is printed').choices(['table', 'json']).default('table')

/** A command that asks the daemon. */
export const adminCommand = (name: string): Command =>
  new Command(name)
    .addOption(outputOption())
    .option('--socket <path>', "the daemon's admin socket (default: as the config has it)")
    .addOption(configOption())

export interface AdminOptions {
  readonly config?: string
  readonly socket?: string
  readonly output: 'table' | 'json'
}

export async function ask<M extends Method>(method: M, { socket, config }: AdminOptions): Promise<Result<M>> {
  return callAdmin(socket ?? (await loadConfig(config)).admin.socket, method)
}

/** In one write, so that no reader of a pipe sees half of it. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`)
export const printJSON = (value: unknown): void => print(JSON.stringify(value, null, 2))
