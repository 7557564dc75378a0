import { Logger as TsLog } from 'tslog'
import { printable } from './printable.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What an event is about. Names that aren't here are free; a field that is undefined is left out. */
export interface LogFields {
  readonly pod?: string | undefined
  readonly namespace?: string | undefined
  readonly uid?: string | undefined
  readonly sandbox?: string | undefined
  readonly container?: string | undefined
  /** First and last host id: "131072-196607". */
  readonly range?: string | undefined
  readonly durationMs?: number | undefined
  /** Logged as its message; its stack is added at level debug only. */
  readonly error?: unknown
  readonly [field: string]: unknown
}

export type Logger = Record<LogLevel, (message: string, fields?: LogFields) => void>

export interface LogOptions {
  /** The least severe level that is logged. */
  readonly level: LogLevel
  /** auto: pretty on a terminal, json elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
  /** By default the standard output. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

/** A log of one line an event: a flat JSON object with time, level, msg and the fields, or the same for people. */
export function createLogger({ level, format, stream = process.stdout }: LogOptions): Logger {
  const isPretty = format === 'pretty' || (format === 'auto' && stream.isTTY === true)
  const write = (line: string) => stream.write(`${line}\n`)
  // A reader that went away (the journal restarts) must not end the daemon, which would be an error event's default.
  stream.on('error', () => {})

  const lines = new TsLog<Record<string, unknown>>({
    type: isPretty ? 'pretty' : 'json',
    minLevel: level.toUpperCase() as Uppercase<LogLevel>,
    hideLogPositionForProduction: true,
    stylePrettyLogs: stream.isTTY === true,
    prettyLogTemplate: '{{hh}}:{{MM}}:{{ss}}.{{ms}} {{logLevelName}} ',
    prettyLogTimeZone: 'local',
    overwrite: isPretty
      ? {
          formatLogObj: ([message, fields]) => ({ args: [prettyEvent(`${message}`, fields)], errors: [] }),
          transportFormatted: (meta, [event]) => write(`${meta}${event}`),
        }
      : {
          toLogObj: ([msg, fields]) => ({ msg, ...(fields as object) }),
          addMeta: (event, _id, name) =>
            ({ time: new Date().toISOString(), level: name.toLowerCase(), ...event }) as never,
          transportJSON: (event) => write(JSON.stringify(event)),
        },
  })
  const withStack = level === 'debug'
  return {
    debug: (message, fields) => void lines.debug(message, flat(fields, withStack)),
    info: (message, fields) => void lines.info(message, flat(fields, withStack)),
    warn: (message, fields) => void lines.warn(message, flat(fields, withStack)),
    error: (message, fields) => void lines.error(message, flat(fields, withStack)),
  }
}

/** Fields as values that every reader of logs can search: an error is its sentence. */
function flat({ error, ...fields }: LogFields = {}, withStack: boolean): Record<string, unknown> {
  if (error === undefined) return fields
  if (!(error instanceof Error)) return { ...fields, error: String(error) }
  const sentence = { ...fields, error: error.message || error.name }
  return withStack ? { ...sentence, stack: error.stack } : sentence
}

function prettyEvent(message: string, fields: unknown): string {
  const pairs = Object.entries(fields as object)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${prettyValue(value)}`)
  return [printable(message), ...pairs].join('  ')
}

function prettyValue(value: unknown): string {
  const text = typeof value === 'string' ? value.replaceAll(/\n\s*/g, ' | ') : JSON.stringify(value)
  return printable(/^\S+$/.test(text) ? text : `"${text}"`)
}
