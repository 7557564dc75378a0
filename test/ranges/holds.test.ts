import t from 'tap'
import { Holds } from '../../src/ranges/holds.js'
import { BLOCK } from '../../src/ranges/range.js'
import { IdSpace } from '../../src/ranges/space.js'

const open = () => {
  const space = new IdSpace({ firstID: BLOCK, count: 2 * BLOCK, idsPerPod: BLOCK })
  return { space, holds: new Holds(space) }
}
const first = { hostID: BLOCK, length: BLOCK }
const second = { hostID: 2 * BLOCK, length: BLOCK }

t.test('what is held is not allocated', async (t) => {
  const { holds } = open()
  holds.hold(first)
  t.same(holds.allocate(), second)
  t.equal(holds.allocate(), undefined)
})

t.test('free again when the last lets go, in any order', async (t) => {
  const { space, holds } = open()
  t.same(holds.allocate(), first)
  holds.hold(first)
  holds.hold(first)
  holds.letGo(first)
  holds.letGo(first)
  t.notOk(space.isFree(first))
  holds.letGo(first)
  t.ok(space.isFree(first))
  t.equal(space.free, 2)
})

t.test('counting starts anew once it was free', async (t) => {
  const { space, holds } = open()
  for (let i = 0; i < 10; i++) {
    const range = holds.allocate()!
    t.notOk(space.isFree(range))
    holds.letGo(range)
    t.ok(space.isFree(range))
    holds.hold(range)
    holds.letGo(range)
    t.ok(space.isFree(range))
  }
})
