import { type IdRange, printRange } from '../ranges/range.js'
import { messageOf } from './fs-error.js'

/** The node has as many pods in ranges of their own as its configuration allows. */
export class PodLimitError extends Error {
  override readonly name = 'PodLimitError'

  constructor(pod: string, limit: number) {
    super(
      `${pod} gets no id range: the limit of ${limit} pods per node is reached. Remove pods or raise the limit`,
    )
  }
}

/** Every range of the span belongs to a pod or is avoided. */
export class SpaceExhaustedError extends Error {
  override readonly name = 'SpaceExhaustedError'

  constructor(
    pod: string,
    usage: { readonly total: number; readonly used: number; readonly avoided: number },
  ) {
    super(
      `${pod} gets no id range: all ${usage.total} ranges of the configured span are taken, ${usage.used} by pods and ${usage.avoided} avoided because others use their ids. Remove pods or widen the span`,
    )
  }
}

/** Writing failed: what was to be recorded is not. */
export class RecordError extends Error {
  override readonly name = 'RecordError'

  constructor(pod: string, cause: unknown) {
    super(`the id range of ${pod} can't be recorded: ${messageOf(cause)}`, { cause })
  }
}

/** Removing failed: the range stays the pod's, so that no other can get it. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError'

  constructor(pod: string, range: IdRange, cause: unknown) {
    super(`${pod} keeps its id range ${printRange(range)}: ${messageOf(cause)}`, { cause })
  }
}
