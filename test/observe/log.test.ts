import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { text as readAll } from 'node:stream/consumers'
import t from 'tap'
import { createLogger, type Logger, type LogOptions } from '../../src/observe/log.js'

/** What is written by `use` to a log with these options. */
function written(options: Partial<LogOptions> & { isTTY?: boolean }, use: (log: Logger) => void): string {
  const stream = Object.assign(new PassThrough(), { isTTY: options.isTTY ?? false })
  use(createLogger({ level: 'info', format: 'auto', stream, ...options }))
  return String(stream.read() ?? '')
}

t.test('an event is one flat JSON object on one line', async (t) => {
  const before = Date.now()
  const text = written({}, (log) => {
    log.info('sandbox mapped', {
      pod: 'web\n1',
      namespace: undefined,
      range: '131072-196607',
      durationMs: 2.3,
    })
  })
  t.match(text, /^[^\n]+\n$/)
  const { time, ...event } = JSON.parse(text)
  t.strictSame(Object.entries(event), [
    ['level', 'info'],
    ['msg', 'sandbox mapped'],
    ['pod', 'web\n1'],
    ['range', '131072-196607'],
    ['durationMs', 2.3],
  ])
  t.equal(new Date(time).toISOString(), time)
  t.ok(Date.parse(time) >= before && Date.parse(time) <= Date.now())
})

t.test('the level is the least severe that is logged', async (t) => {
  const all = ['debug', 'info', 'warn', 'error'] as const
  for (const [index, level] of all.entries()) {
    const text = written({ level }, (log) => {
      for (const each of all) log[each]('event')
    })
    const levels = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).level)
    t.same(levels, all.slice(index), level)
  }
})

t.test('an error is its sentence, with the stack at debug only', async (t) => {
  const cases: [error: unknown, sentence: string][] = [
    [new RangeError('no room for pod web'), 'no room for pod web'],
    [new TypeError(), 'TypeError'],
    ['a word', 'a word'],
    [null, 'null'],
  ]
  for (const [error, sentence] of cases) {
    const event = JSON.parse(written({}, (log) => log.error('refused', { pod: 'web', error })))
    t.strictSame([event.error, event.stack, event.pod], [sentence, undefined, 'web'], sentence)
  }
  const event = JSON.parse(
    written({ level: 'debug' }, (log) => log.error('refused', { error: new Error('x') })),
  )
  t.match(event.stack, /^Error: x\n +at .*log\.test\.ts/)
})

t.test('for people: time, level, message and fields on one line that a terminal can show', async (t) => {
  const log = (log: Logger) =>
    log.warn('sandbox \x1b[2Jmapped', {
      pod: 'a\x9bb',
      error: new Error('no "room"\nat all'),
      durationMs: 2,
      a: undefined,
    })
  const line = 'WARN sandbox \\u001b[2Jmapped  pod=a\\u009bb  durationMs=2  error="no "room" | at all"\n'
  const text = written({ format: 'pretty' }, log)
  t.match(text, /^\d\d:\d\d:\d\d\.\d{3} WARN/)
  t.equal(text.slice('00:00:00.000 '.length), line)
  const stack = written({ level: 'debug', format: 'pretty' }, log)
  t.match(stack, /stack="Error: no "room" \| at all \| at .*log\.test\.ts.*"\n$/)
  t.equal(stack.split('\n').length, 2)
})

t.test('auto is pretty on a terminal only, and only there it is in colour', async (t) => {
  const log = (log: Logger) => log.info('event')
  const colour = '\x1b['
  const cases: [format: LogOptions['format'], isTTY: boolean, isJSON: boolean, isColoured: boolean][] = [
    ['auto', true, false, true],
    ['auto', false, true, false],
    ['json', true, true, false],
    ['pretty', false, false, false],
  ]
  for (const [format, isTTY, isJSON, isColoured] of cases) {
    const text = written({ format, isTTY }, log)
    t.strictSame([text.startsWith('{'), text.includes(colour)], [isJSON, isColoured], `${format} ${isTTY}`)
  }
})

t.test('a reader that goes away does not end the program', async (t) => {
  const program = `
    import { createLogger } from '${new URL('../../src/observe/log.ts', import.meta.url)}'
    const log = createLogger({ level: 'info', format: 'json' })
    const writer = setInterval(() => {
      log.info('event')
      if (!process.stdout.errored) return
      clearInterval(writer)
      console.error('still here')
    }, 5)
  `
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', program])
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const said = readAll(child.stderr)
  await once(child.stdout, 'data')
  child.stdout.destroy()
  t.same(await ended, [0, null])
  t.equal(await said, 'still here\n')
})
