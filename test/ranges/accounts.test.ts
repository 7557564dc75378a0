import t from 'tap'
import { parseGroup, parsePasswd } from '../../src/ranges/accounts.js'

// Checked with getent of glibc 2.36, but for a line cut short behind its id: that id counts all the same.
t.test('users', async (t) => {
  const cases: [name: string, line: string, account?: object][] = [
    ['plain', 'a:x:70001:70002::/:/bin/sh', { name: 'a', id: 70001, groupID: 70002 }],
    ['blanks before the name', '  a:x:70004:70005::/:', { name: 'a', id: 70004, groupID: 70005 }],
    ['a blank before a number', 'a:x: 70011:70012::/:', { name: 'a', id: 70011, groupID: 70012 }],
    ['cut short', 'a:x:70009', { name: 'a', id: 70009, groupID: undefined }],
    ['a comment', '#a:x:70000:70000::/:/bin/sh'],
    ['hexadecimal', 'a:x:0x11170:70002::/:'],
    ['a blank behind a number', 'a:x:70012 :70012::/:'],
    ['negative', 'a:x:-2:70005::/:'],
    ['no numbers', 'a:x:::'],
    ['a reference to NIS', '+a::::::'],
    ['no name', ':x:70001:70001::/:'],
    ['nothing', ''],
  ]
  for (const [name, line, account] of cases) {
    const expected = account ? [{ ...account, line: 2 }] : []
    t.strictSame(parsePasswd(`root:\n${line}\n`), expected, name)
  }
})

t.test('groups', async (t) => {
  const text = 'root:x:0:\n\n#g:x:70000:\nbig:x:70001:70002\nshort:x:70003\nneg:x:-3:\n'
  t.strictSame(parseGroup(text), [
    { name: 'root', id: 0, groupID: undefined, line: 1 },
    { name: 'big', id: 70001, groupID: undefined, line: 4 },
    { name: 'short', id: 70003, groupID: undefined, line: 5 },
  ])
})
