import { Packr } from 'msgpackr'
import { z } from 'zod'

/** A request is a name and no more; what is larger is not one. */
export const MAX_REQUEST_BYTES = 64 * 1024

const amount = z.int().nonnegative()
const time = z.iso.datetime()

const status = z.object({
  version: z.string(),
  pid: z.int().positive(),
  since: time,
  enabled: z.boolean(),
  nri: z.object({
    state: z.enum(['connected', 'disconnected', 'off']),
    /** Name and version of the container runtime: "containerd v2.1.9". */
    runtime: z.string().optional(),
    /** Why it isn't connected. */
    reason: z.string().optional(),
  }),
  /** firstID, count and idsPerPod, a pod's by default, are ids; total to free are blocks of 65,536 ids. */
  ranges: z.object({
    firstID: amount,
    count: amount,
    idsPerPod: amount,
    total: amount,
    used: amount,
    /** Owned by others: never handed out. */
    avoided: amount,
    free: amount,
    /** Those that have a range, and that may have one. */
    pods: amount,
    limit: amount,
  }),
})

const podRow = z.object({
  /** Empty, like the pod's name, when only its uid is known. */
  namespace: z.string(),
  pod: z.string(),
  uid: z.string(),
  firstID: amount,
  lastID: amount,
  state: z.enum(['creating', 'running', 'stopped', 'unknown']),
  sandboxes: z.array(z.string()),
  since: time,
})

const results = { status, list: z.array(podRow) }

export type Status = z.output<typeof status>
export type PodRow = z.output<typeof podRow>
export type Method = keyof typeof results
export type Result<M extends Method> = z.output<(typeof results)[M]>

/** The methods take no parameters yet: one that is given is refused, and not silently without effect. */
const request = z.strictObject({ id: amount, method: z.string().max(64), params: z.strictObject({}) })
const response = z.union([
  z.object({ id: amount, error: z.string() }),
  z.object({ id: amount, result: z.unknown() }),
])

export type Request = z.output<typeof request>
export type Response = z.output<typeof response>

const packr = new Packr({ useRecords: false })

function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  const result = schema.safeParse(packr.unpack(bytes))
  if (result.success) return result.data
  throw new Error(sentenceOf(result.error))
}

function sentenceOf({ issues: [issue] }: z.ZodError): string {
  return issue?.path.length ? `${issue.path.join('.')}: ${issue.message}` : `${issue?.message}`
}

export const methods = Object.keys(results) as Method[]
export const isMethod = (name: string): name is Method => Object.hasOwn(results, name)

export const encode = (message: Request | Response): Buffer => packr.pack(message)
/** @throws Error for bytes that are no request */
export const decodeRequest = (bytes: Uint8Array): Request => decode(request, bytes)
/** @throws Error for bytes that are no response */
export const decodeResponse = (bytes: Uint8Array): Response => decode(response, bytes)

/** @throws Error for what is no result of this method */
export function checkResult<M extends Method>(method: M, result: unknown): Result<M> {
  const checked = results[method].safeParse(result)
  if (checked.success) return checked.data as Result<M>
  throw new Error(sentenceOf(checked.error))
}
