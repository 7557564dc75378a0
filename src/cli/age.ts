const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const YEAR = 365 * DAY

/**
 * A duration as kubectl prints it: 45s, 4m30s, 2h, 3d4h; coarser the longer it is, so that it stays short.
 * @param milliseconds of 0 or more; less, where clocks have been set, counts as 0
 * @see k8s.io/apimachinery/pkg/util/duration, HumanDuration
 */
export function printAge(milliseconds: number): string {
  const age = Math.max(0, milliseconds)
  const two = (big: number, unit: string, small: number, smallUnit: string) => {
    const rest = Math.floor((age % big) / small)
    return `${Math.floor(age / big)}${unit}${rest ? `${rest}${smallUnit}` : ''}`
  }
  const one = (size: number, unit: string) => `${Math.floor(age / size)}${unit}`
  if (age < 2 * MINUTE) return one(SECOND, 's')
  if (age < 10 * MINUTE) return two(MINUTE, 'm', SECOND, 's')
  if (age < 3 * HOUR) return one(MINUTE, 'm')
  if (age < 8 * HOUR) return two(HOUR, 'h', MINUTE, 'm')
  if (age < 2 * DAY) return one(HOUR, 'h')
  if (age < 8 * DAY) return two(DAY, 'd', HOUR, 'h')
  if (age < 2 * YEAR) return one(DAY, 'd')
  if (age < 8 * YEAR) return two(YEAR, 'y', DAY, 'd')
  return one(YEAR, 'y')
}
