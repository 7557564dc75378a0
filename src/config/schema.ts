import { z } from 'zod'
import { OUTCOMES } from '../policy/rules.js'
import type { Origin } from '../ranges/origin.js'
import { checkPods, checkSpan, printRange } from '../ranges/range.js'
import { checkRuling, ruleSchema, rulingKeys, sampleRule } from './rules.js'
import { oneOf, section } from './words.js'

/** sun_path of unix(7) has 108 bytes, the last of which ends the string. */
const SOCKET_PATH_BYTES = 107

const absolutePath = (maxBytes: number, expected = `an absolute path of at most ${maxBytes} bytes`) =>
  z
    .string(expected)
    .regex(/^\/\P{Cc}*$/u, expected)
    .refine((path) => Buffer.byteLength(path) <= maxBytes, expected)

function count(unit: string) {
  const expected = { error: `a whole number of ${unit}, 0 to 4294967295`, abort: true }
  return z
    .int(expected)
    .min(0, expected)
    .max(2 ** 32 - 1, expected)
}

const socketPath = absolutePath(SOCKET_PATH_BYTES)
const nriName = 'letters, digits, ".", "_" and "-", in quotes where it looks like a number'
const nriIndex = "two digits in quotes, such as '10'"

/** Other than the kubelet's: its ids are what it gives to pods itself. */
const userName = 'the login name of a user other than kubelet, in quotes where it looks like a number'

const rangeKeys = section({
  from: oneOf('explicit', 'subids', 'rest').default('explicit'),
  firstID: count('ids').optional(),
  count: count('ids').optional(),
  idsPerPod: count('ids').default(65536),
  podLimit: count('pods').default(1024),
  user: z
    .string(userName)
    .regex(/^(?!kubelet$)(?!#)[^\s:\p{Cc}]+$/u, userName)
    .default('nri-userns'),
  kubeletPods: absolutePath(3000).default('/var/lib/kubelet/pods'),
})

/** Beside another source, ids that are written out too would be without effect, and silently so. */
function refuseIDs(keys: z.output<typeof rangeKeys>, context: z.RefinementCtx): void {
  const source = keys.from === 'subids' ? `the ids of ${keys.user} in /etc/subuid` : 'every id that is free'
  for (const key of ['firstID', 'count'] as const) {
    if (keys[key] === undefined) continue
    const message = `no ${key} beside from: ${keys.from}, which takes ${source} (remove ${key}, or say from: explicit)`
    context.addIssue({ code: 'custom', message, path: [key] })
  }
}

const rangesSchema = rangeKeys.transform((keys, context): Origin & { readonly kubeletPods: string } => {
  const { firstID = 2000224256, count = 147128320, from, ...rest } = keys
  const isExplicit = from === 'explicit'
  if (!isExplicit) refuseIDs(keys, context)
  const { idsPerPod, podLimit } = rest
  try {
    if (isExplicit) checkSpan({ firstID, count, idsPerPod }, podLimit)
    // The user's entries, and what others own, are looked at when the daemon starts.
    else checkPods(idsPerPod, podLimit)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as RangeError).message, params: { together: true } })
  }
  return isExplicit ? { from, firstID, count, ...rest } : { from, ...rest }
})

const log = section({
  level: oneOf('debug', 'info', 'warn', 'error').default('info'),
  format: oneOf('auto', 'json', 'pretty').default('auto'),
})

const policySchema = section({
  default: section({ ...rulingKeys, outcome: oneOf(...OUTCOMES).default('map') })
    .superRefine(checkRuling)
    .prefault({}),
  hostNamespaces: oneOf('refuse', 'skip').default('refuse'),
  privileged: oneOf('refuse', 'skip').default('refuse'),
  rules: z.array(ruleSchema, 'a list of rules').default([]),
})

/** A length that the ids can't hold in one piece would be refused to every pod that is given it. */
function checkSizes(
  { ranges, policy }: { ranges: z.output<typeof rangesSchema>; policy: z.output<typeof policySchema> },
  context: z.RefinementCtx,
): void {
  // What other sources give is known when the daemon starts.
  if (ranges.from !== 'explicit') return
  const { firstID, count } = ranges
  const holds = (length: number) => Math.ceil(firstID / length) * length + length <= firstID + count
  const rulings = [...policy.rules.entries()].map(([index, rule]) => ({
    path: ['rules', index],
    ruling: rule,
  }))
  for (const { path, ruling } of [{ path: ['default'], ruling: policy.default }, ...rulings]) {
    for (const key of ['idsPerPod', 'maxIdsPerPod'] as const) {
      const ids = ruling[key]
      if (ids === undefined || holds(ids)) continue
      const span = printRange({ hostID: firstID, length: count })
      const message = `${ids} ids in one piece, which begins at a multiple of ${ids}, don't fit into ${span} (ranges.firstID and count)`
      context.addIssue({
        code: 'custom',
        message,
        path: ['policy', ...path, key],
        params: { together: true },
      })
    }
  }
}

/** The daemon's config; what each key means is told in config/config.yaml. */
export const configSchema = section({
  enabled: z.boolean('true or false').default(true),
  ranges: rangesSchema.prefault({}),
  network: oneOf('shared', 'owned').default('shared'),
  volumes: section({ unsupported: oneOf('refuse', 'plain').default('refuse') }).prefault({}),
  stateDirectory: absolutePath(3000).default('/var/lib/nri-userns'),
  // Leaves room for the names of the sockets in it.
  runDirectory: absolutePath(SOCKET_PATH_BYTES - '/admin.sock'.length).default('/run/nri-userns'),
  shim: section({ socket: socketPath.optional() }).prefault({}),
  admin: section({ socket: socketPath.optional() }).prefault({}),
  nri: section({
    socket: socketPath.default('/var/run/nri/nri.sock'),
    name: z
      .string(nriName)
      .regex(/^[A-Za-z0-9][\w.-]*$/, nriName)
      .default('userns'),
    index: z
      .string(nriIndex)
      .regex(/^\d\d$/, nriIndex)
      .default('10'),
  }).prefault({}),
  containerd: section({ socket: socketPath.default('/run/containerd/containerd.sock') }).prefault({}),
  policy: policySchema.prefault({}),
  log: log.prefault({}),
})
  .prefault({})
  .superRefine(checkSizes)
  .transform((config) => ({
    ...config,
    shim: { socket: config.shim.socket ?? `${config.runDirectory}/shim.sock` },
    admin: { socket: config.admin.socket ?? `${config.runDirectory}/admin.sock` },
  }))

export type Config = z.output<typeof configSchema>
export const defaultConfig: Config = configSchema.parse(undefined)

/** Has every key that a config may have, whatever its value: an item of a list stands for all of them. */
export const sampleConfig = {
  ...defaultConfig,
  policy: {
    ...defaultConfig.policy,
    default: { ...defaultConfig.policy.default, reason: '', idsPerPod: 0, maxIdsPerPod: 0 },
    rules: [sampleRule],
  },
}
