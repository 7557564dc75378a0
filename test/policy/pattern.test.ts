import t from 'tap'
import { matchesGlob } from '../../src/policy/pattern.js'

const cases: [glob: string, matching: string[], others: string[]][] = [
  ['web', ['web'], ['', 'we', 'web1', 'Web']],
  ['web-*', ['web-', 'web-1', 'web-*'], ['web', 'a-web-1']],
  ['*-system', ['kube-system', '-system'], ['system', 'kube-system-1']],
  ['*', ['', 'a', 'a\nb'], []],
  ['**', ['', 'a'], []],
  ['a*b*c', ['abc', 'aXbYc', 'abbcc', 'abcbc'], ['ab', 'acb', 'abcd', 'ac']],
  ['a*a', ['aa', 'aXa', 'aaa'], ['a', 'ab']],
  ['*ab*ab', ['abab', 'ab-ab', 'aababab'], ['ab', 'bab']],
  ['a.b', ['a.b'], ['axb']],
  ['[a]?', ['[a]?'], ['ab', 'a']],
  ['', [''], ['a']],
]

for (const [glob, matching, others] of cases) {
  t.test(JSON.stringify(glob), async (t) => {
    for (const text of matching) t.ok(matchesGlob(text, glob), `matches ${JSON.stringify(text)}`)
    for (const text of others) t.notOk(matchesGlob(text, glob), `is not ${JSON.stringify(text)}`)
  })
}

t.test('no text takes long', async (t) => {
  const begun = performance.now()
  t.notOk(matchesGlob('a'.repeat(256 * 1024), `${'*a'.repeat(100)}*b`))
  t.ok(performance.now() - begun < 1000)
})
