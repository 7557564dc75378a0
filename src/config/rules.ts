import { z } from 'zod'
import { OUTCOMES, type Rule, type Ruling } from '../policy/rules.js'
import { LONGEST_RANGE } from '../policy/size.js'
import { oneOf, oneOrMore, section } from './words.js'

/** It shares an event's message of 1024 bytes (NoteLengthLimit, pkg/apis/core/validation/events.go) with other words. */
const REASON_LENGTH = 300

// What can't be the name of any namespace or pod is a slip, and a rule that never matches fails open.
const namespaces = 'a namespace (a-z, 0-9, "-"), a glob with *, or a list of them'
const pods = 'a name of pods (a-z, 0-9, "-", "."), a glob with *, or a list of them'
const users = 'root, nonroot, a uid, or a list of them'
const reason = `a sentence on one line, of at most ${REASON_LENGTH} characters`
const annotations = 'a map of annotations, each with a text or glob in quotes'
const labels = 'a map of labels by their names (example.com/team), each with a text or glob in quotes'
const labelValue = 'the text of a label (letters, digits, ".", "_", "-") or a glob with *, in quotes'
const annotationValue = 'a text or glob in quotes'
const size = `a multiple of 65536, 65536 to ${LONGEST_RANGE}`

const match = section({
  namespace: oneOrMore(z.string(namespaces).regex(/^[a-z0-9*-]{1,63}$/, namespaces), namespaces).optional(),
  pod: oneOrMore(z.string(pods).regex(/^[a-z0-9.*-]{1,253}$/, pods), pods).optional(),
  labels: z
    .record(
      z.string().regex(/^([a-z0-9.-]+\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/),
      z.string(labelValue).regex(/^[\w.*-]{0,63}$/, labelValue),
      labels,
    )
    .refine((wanted) => Object.keys(wanted).length > 0, labels)
    .optional(),
  annotations: z
    .record(z.string(), z.string(annotationValue), annotations)
    .refine((wanted) => Object.keys(wanted).length > 0, annotations)
    .optional(),
  user: oneOrMore(
    z.union(
      [
        z.enum(['root', 'nonroot'], users),
        z
          .int(users)
          .min(0, users)
          .max(2 ** 32 - 2, users),
      ],
      users,
    ),
    users,
  ).optional(),
}).refine((conditions) => Object.keys(conditions).length > 0, {
  error:
    'one condition or more (namespace, pod, labels, annotations, user), as policy.default is for all others',
  // A slip in the only key is told as that slip.
  when: ({ issues }) => issues.length === 0,
})

const ids = z
  .int(size)
  .min(65536, size)
  .max(LONGEST_RANGE, size)
  .refine((count) => count % 65536 === 0, size)

export const rulingKeys = {
  outcome: oneOf(...OUTCOMES),
  reason: z
    .string(reason)
    .max(REASON_LENGTH, reason)
    .regex(/^\P{Cc}*\S\P{Cc}*$/u, reason)
    .optional(),
  allow: z.array(oneOf(...OUTCOMES), `a list of ${OUTCOMES.join(', ')}`).default([]),
  idsPerPod: ids.optional(),
  maxIdsPerPod: ids.optional(),
}

/** What can't have any effect is a slip: its writer took the outcome for another. */
export function checkRuling(ruling: Ruling, context: z.core.$RefinementCtx): void {
  const add = (key: keyof Ruling, message: string) =>
    context.addIssue({ code: 'custom', path: [key], message })
  const { outcome, allow, idsPerPod = 0, maxIdsPerPod } = ruling
  if (ruling.reason !== undefined && outcome !== 'refuse')
    add('reason', 'a reason only where outcome is refuse')
  if (outcome !== 'map' && !allow.includes('map')) {
    for (const key of ['idsPerPod', 'maxIdsPerPod'] as const)
      if (ruling[key] !== undefined) add(key, `${key} only where outcome is map, or may be by allow`)
  }
  if (maxIdsPerPod !== undefined && maxIdsPerPod < idsPerPod)
    add('maxIdsPerPod', `idsPerPod (${idsPerPod}) or more`)
}

export const ruleSchema = section({ match, ...rulingKeys }).superRefine(checkRuling)

/** Has every key of a rule. */
export const sampleRule: Rule = {
  match: { namespace: [], pod: [], labels: {}, annotations: {}, user: [] },
  outcome: 'map',
  reason: '',
  allow: [],
  idsPerPod: 65536,
  maxIdsPerPod: 65536,
}
