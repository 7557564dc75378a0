import t from 'tap'
import { printable } from '../../src/observe/printable.js'

t.test('what a terminal obeys or hides is spelt out', async (t) => {
  const cases: [text: string, expected: string][] = [
    ['', ''],
    ['web-1 (größe, 日本, 🙂)', 'web-1 (größe, 日本, 🙂)'],
    ['\x1b[2J\x07', '\\u001b[2J\\u0007'],
    ['\x9b31m', '\\u009b31m'],
    ['a\r\nb\tc', 'a\\u000d\\u000ab\\u0009c'],
    ['\x7f', '\\u007f'],
    ['\u202egnp.exe', '\\u202egnp.exe'],
    ['\u2028\u2029\u200b', '\\u2028\\u2029\\u200b'],
    ['\u{e0001}', '\\udb40\\udc01'],
    ['\ud800', '\\ud800'],
  ]
  for (const [text, expected] of cases) t.equal(printable(text), expected, expected)
})

t.test('JSON stays the same JSON', async (t) => {
  const value = { pod: '\x9b\u202e\u{e0001}\x1b' }
  t.same(JSON.parse(printable(JSON.stringify(value))), value)
})
