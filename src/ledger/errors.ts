import { BLOCK, type IdRange, printRange } from '../ranges/range.js'
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

/** No range of that length is free in the span: what isn't belongs to a pod or is avoided. */
export class SpaceExhaustedError extends Error {
  override readonly name = 'SpaceExhaustedError'

  /** @param usage in blocks */
  constructor(
    pod: string,
    length: number,
    {
      total,
      used,
      avoided,
      free,
    }: { readonly total: number; readonly used: number; readonly avoided: number; readonly free: number },
  ) {
    const taken = `${used} by pods and ${avoided} avoided because others use their ids`
    super(
      free === 0
        ? `${pod} gets no id range: all ${total} blocks of ${BLOCK} ids of the configured span are taken, ${taken}. Remove pods or widen the span`
        : `${pod} gets no id range: no ${length} ids are free in one piece that begins at a multiple of ${length}. Of the ${total} blocks of ${BLOCK} ids of the configured span ${free} are free and the others taken, ${taken}. Remove pods, widen the span, or give the pod fewer ids (idsPerPod)`,
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
