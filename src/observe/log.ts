import { Logger as TsLog } from 'tslog'
import { printable } from './printable.js'

/** Ever more severe. */
const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LEVELS)[number]

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

export interface LeveledLogger extends Logger {
  /** From now on this and what is more severe is logged. */
  setLevel(level: LogLevel): void
}

export interface LogOptions {
  /** The least severe level that is logged. */
  readonly level: LogLevel
  /** auto: pretty on a terminal, json elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
  /** By default the standard output. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

/** A log of one line an event: a flat JSON object with time, level, msg and the fields, or the same for people. */
export function createLogger({ level, format, stream = process.stdout }: LogOptions): LeveledLogger {
  const isPretty = format === 'pretty' || (format === 'auto' && stream.isTTY === true)
  const write = (line: string) => stream.write(`${line}\n`)
  // A reader that went away (the journal restarts) must not end the daemon, which would be an error event's default.
  stream.on('error', () => {})

  const lines = new TsLog<Record<string, unknown>>({
    type: isPretty ? 'pretty' : 'json',
    minLevel: 'DEBUG',
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
  let least = LEVELS.indexOf(level)
  const logAt =
    (severity: LogLevel): Logger[LogLevel] =>
    (message, fields) => {
      if (LEVELS.indexOf(severity) >= least) lines[severity](message, flat(fields, least === 0))
    }
  return {
    debug: logAt('debug'),
    info: logAt('info'),
    warn: logAt('warn'),
    error: logAt('error'),
    setLevel: (level) => {
      least = LEVELS.indexOf(level)
    },
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
