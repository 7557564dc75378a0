import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { ConfigDocument } from './document.js'
import { explain } from './problems.js'
import { type Config, configSchema, defaultConfig } from './schema.js'

export const DEFAULT_CONFIG_FILE = '/etc/nri-userns/config.yaml'
const MAX_BYTES = 1024 * 1024

/** A config that can't be used; each of `problems` is a line that begins with the file's name. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
  }
}

/**
 * @param fileName what the problems' lines begin with
 * @throws ConfigError with every problem of the text, in its order
 */
export function parseConfig(text: string, fileName: string): Config {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new ConfigError([`${fileName}: larger than ${MAX_BYTES} bytes, which no config of this program is`])
  }
  const document = new ConfigDocument(text)
  if (document.syntaxMistakes.length) {
    throw new ConfigError(document.print(document.syntaxMistakes, fileName))
  }
  const { value, duplicateKeys } = document
  const result = configSchema.safeParse(value)
  if (result.success && !duplicateKeys.length) return result.data
  const problems = explain(result.error?.issues ?? [], value, defaultConfig)
  const mistakes = problems.map((problem) => document.locate(problem))
  throw new ConfigError(document.print([...duplicateKeys, ...mistakes], fileName))
}

/**
 * @param path a file that must be there; without it the default file is read, which may be missing
 * @throws ConfigError also when the file can't be read
 */
export async function loadConfig(path?: string): Promise<Config> {
  const fileName = path ?? DEFAULT_CONFIG_FILE
  const bytes = await readStart(fileName).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && path === undefined) return Buffer.alloc(0)
    throw new ConfigError([`${fileName}: can't be read: ${reason(error)}`])
  })
  if (!isUtf8(bytes)) throw new ConfigError([`${fileName}: is not UTF-8 text`])
  return parseConfig(bytes.toString(), fileName)
}

/** One byte more than the limit at most, whatever the file is: a device has no end. `end` is inclusive. */
async function readStart(path: string): Promise<Buffer> {
  return Buffer.concat(await createReadStream(path, { end: MAX_BYTES }).toArray())
}

function reason({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EISDIR') return 'it is a directory'
  if (code === 'EACCES') return 'permission denied; run as root'
  return message
}
