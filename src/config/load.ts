import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { ConfigDocument } from './document.js'
import { explain } from './problems.js'
import { type Config, configSchema, sampleConfig } from './schema.js'

export const DEFAULT_CONFIG_FILE = '/etc/nri-userns/config.yaml'
const MAX_BYTES = 1024 * 1024

/** A config that can't be used; each of `problems` is a line that begins with the file's name. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
  }
}

/** A config and where in its file the values stand. */
export interface PlacedConfig {
  readonly config: Config
  /** `/etc/nri-userns/config.yaml:12:3`; undefined for a default that isn't in the file. */
  readonly placeOf: (path: readonly (string | number)[]) => string | undefined
}

/**
 * @param fileName what the problems' lines begin with
 * @throws ConfigError with every problem of the text, in its order
 */
export const parseConfig = (text: string, fileName: string): Config => parsePlaced(text, fileName).config

function parsePlaced(text: string, fileName: string): PlacedConfig {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new ConfigError([`${fileName}: larger than ${MAX_BYTES} bytes, which no config of this program is`])
  }
  const document = new ConfigDocument(text)
  if (document.syntaxMistakes.length) {
    throw new ConfigError(document.print(document.syntaxMistakes, fileName))
  }
  const { value, duplicateKeys } = document
  const result = configSchema.safeParse(value)
  if (result.success && !duplicateKeys.length) {
    const placeOf: PlacedConfig['placeOf'] = (path) => {
      const place = document.placeOf(path)
      return place && `${fileName}:${place}`
    }
    return { config: result.data, placeOf }
  }
  const problems = explain(result.error?.issues ?? [], value, sampleConfig)
  const mistakes = problems.map((problem) => document.locate(problem))
  throw new ConfigError(document.print([...duplicateKeys, ...mistakes], fileName))
}

/**
 * @param path a file that must be there; without it the default file is read, which may be missing
 * @throws ConfigError also when the file can't be read
 */
export const loadConfig = async (path?: string): Promise<Config> => (await loadPlacedConfig(path)).config

/** As loadConfig, for those who tell where in the file something stands. */
export async function loadPlacedConfig(path?: string): Promise<PlacedConfig> {
  const fileName = path ?? DEFAULT_CONFIG_FILE
  const bytes = await readStart(fileName).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && path === undefined) return Buffer.alloc(0)
    throw new ConfigError([`${fileName}: can't be read: ${reason(error)}`])
  })
  if (!isUtf8(bytes)) throw new ConfigError([`${fileName}: is not UTF-8 text`])
  return parsePlaced(bytes.toString(), fileName)
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
