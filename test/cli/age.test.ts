import t from 'tap'
import { printAge } from '../../src/cli/age.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

// As k8s.io/apimachinery's HumanDuration has them.
const cases: [number, string][] = [
  [-5 * SECOND, '0s'],
  [0, '0s'],
  [999, '0s'],
  [SECOND, '1s'],
  [119 * SECOND, '119s'],
  [2 * MINUTE, '2m'],
  [4 * MINUTE + 30 * SECOND, '4m30s'],
  [10 * MINUTE - 1, '9m59s'],
  [10 * MINUTE + 59 * SECOND, '10m'],
  [179 * MINUTE, '179m'],
  [3 * HOUR, '3h'],
  [7 * HOUR + 59 * MINUTE, '7h59m'],
  [8 * HOUR + 30 * MINUTE, '8h'],
  [47 * HOUR, '47h'],
  [2 * DAY, '2d'],
  [7 * DAY + 23 * HOUR, '7d23h'],
  [8 * DAY + 5 * HOUR, '8d'],
  [729 * DAY, '729d'],
  [730 * DAY, '2y'],
  [3 * 365 * DAY + 5 * DAY, '3y5d'],
  [8 * 365 * DAY + 5 * DAY, '8y'],
]

for (const [milliseconds, text] of cases)
  t.test(text, async (t) => {
    t.equal(printAge(milliseconds), text)
  })
