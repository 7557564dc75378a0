import t from 'tap'
import { checkIdentity, preinstalled } from '../../src/nri/identity.js'

const env = { NRI_PLUGIN_NAME: 'userns', NRI_PLUGIN_IDX: '10', NRI_PLUGIN_SOCKET: '3' }

t.test('the environment of a pre-installed plugin', async (t) => {
  t.strictSame(preinstalled(env), { name: 'userns', index: '10', fd: 3 })
  t.equal(preinstalled({}), undefined)
  t.equal(preinstalled({ NRI_PLUGIN_NAME: 'userns', NRI_PLUGIN_IDX: '10' }), undefined, 'connects by path')
})

t.test('a malformed environment is refused in words', async (t) => {
  const cases: [Partial<Record<keyof typeof env, string | undefined>>, RegExp][] = [
    [{ NRI_PLUGIN_NAME: undefined }, /NRI_PLUGIN_NAME or NRI_PLUGIN_IDX is not/],
    [{ NRI_PLUGIN_IDX: undefined }, /NRI_PLUGIN_NAME or NRI_PLUGIN_IDX is not/],
    [{ NRI_PLUGIN_SOCKET: '' }, /NRI_PLUGIN_SOCKET is "", but must be/],
    [{ NRI_PLUGIN_SOCKET: 'three' }, /NRI_PLUGIN_SOCKET is "three"/],
    [{ NRI_PLUGIN_SOCKET: '-3' }, /NRI_PLUGIN_SOCKET is "-3"/],
    [{ NRI_PLUGIN_SOCKET: '3.5' }, /NRI_PLUGIN_SOCKET is "3\.5"/],
    [{ NRI_PLUGIN_SOCKET: '2' }, /above 2/],
    [{ NRI_PLUGIN_SOCKET: '99999999999' }, /NRI_PLUGIN_SOCKET is "99999999999"/],
    [{ NRI_PLUGIN_NAME: 'user ns' }, /name "user ns"/],
    [{ NRI_PLUGIN_IDX: '1' }, /index "1"/],
  ]
  for (const [change, message] of cases) {
    t.throws(() => preinstalled({ ...env, ...change }), { message }, JSON.stringify(change))
  }
})

t.test("a name and an index follow the runtime's rules", async (t) => {
  for (const index of ['00', '10', '99']) checkIdentity('a.B_c+d-9', index)
  for (const name of ['', 'a/b', 'ä', 'userns\n']) t.throws(() => checkIdentity(name, '10'), /name/, name)
  for (const index of ['', '7', '100', '1a', '-1', '10\n']) {
    t.throws(() => checkIdentity('userns', index), /index/, index)
  }
})
