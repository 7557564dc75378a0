import t from 'tap'
import { type DebianSource, findSource } from './sources.js'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const deb822 = (...fields: string[]) => `Types: deb\n${fields.join('\n')}\n`

const cases: [string, string[], DebianSource | undefined][] = [
  ['one line', ['deb http://mirror/debian bookworm main\n'], { uri: 'http://mirror/debian' }],
  [
    'one line with options',
    [`deb [arch=amd64 signed-by=${KEYRING}] http://mirror/debian bookworm main contrib\n`],
    { uri: 'http://mirror/debian', signedBy: KEYRING },
  ],
  ['a comment', ['# deb http://mirror/debian bookworm main\n'], undefined],
  ['sources of sources', ['deb-src http://mirror/debian bookworm main\n'], undefined],
  ['another suite', ['deb http://mirror/debian bookworm-updates main\n'], undefined],
  [
    'deb822',
    [deb822('URIs: http://mirror/debian', 'Suites: bookworm bookworm-updates', `Signed-By: ${KEYRING}`)],
    { uri: 'http://mirror/debian', signedBy: KEYRING },
  ],
  [
    'the second stanza, between comments',
    [
      `# of the distribution\n${deb822('URIs: http://security', 'Suites: bookworm-security')}\n# more\n${deb822('URIs: http://mirror/debian', 'Suites: bookworm')}`,
    ],
    { uri: 'http://mirror/debian' },
  ],
  [
    'a stanza that is off',
    [deb822('Enabled: no', 'URIs: http://mirror/debian', 'Suites: bookworm')],
    undefined,
  ],
  [
    'a key in the stanza itself is no use to another suite',
    [deb822('URIs: http://mirror/debian', 'Suites: bookworm', 'Signed-By:\n -----BEGIN PGP-----\n .\n abc')],
    { uri: 'http://mirror/debian' },
  ],
  [
    'the second file',
    ['deb http://other/repo stable main\n', 'deb http://mirror/debian bookworm main\n'],
    { uri: 'http://mirror/debian' },
  ],
  ['nothing', ['', '\n'], undefined],
]

for (const [what, texts, expected] of cases)
  t.test(what, async (t) => {
    t.strictSame(findSource(texts, 'bookworm'), expected)
  })
