import { z } from 'zod'
import { OUTCOMES, type Rule, type Ruling } from '../policy/rules.js'
import { oneOf, oneOrMore, section } from './words.js'

/** It shares an event's message of 1024 bytes (NoteLengthLimit, pkg/apis/core/validation/events.go) with other words. */
const REASON_LENGTH = 300

// What can't be the name of any namespace or pod is a slip, and a rule that never matches fails open.
const namespaces = 'a namespace (a-z, 0-9, "-"), a glob with *, or a list of them'
const pods = 'a name of pods (a-z, 0-9, "-", "."), a glob with *, or a list of them'
const users = 'root, nonroot, a uid, or a list of them'
const reason = `a sentence on one line, of at most ${REASON_LENGTH} characters`
const annotations = 'a map of annotations, each with a text or glob in quotes'
const annotationValue = 'a text or glob in quotes'

const match = section({
  namespace: oneOrMore(z.string(namespaces).regex(/^[a-z0-9*-]{1,63}$/, namespaces), namespaces).optional(),
  pod: oneOrMore(z.string(pods).regex(/^[a-z0-9.*-]{1,253}$/, pods), pods).optional(),
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
  error: 'one condition or more (namespace, pod, annotations, user), as policy.default is for all others',
  // A slip in the only key is told as that slip.
  when: ({ issues }) => issues.length === 0,
})

export const rulingKeys = {
  outcome: oneOf(...OUTCOMES),
  reason: z
    .string(reason)
    .max(REASON_LENGTH, reason)
    .regex(/^\P{Cc}*\S\P{Cc}*$/u, reason)
    .optional(),
  allow: z.array(oneOf(...OUTCOMES), `a list of ${OUTCOMES.join(', ')}`).default([]),
}

/** A reason that nobody is told is a slip: its writer took the outcome for another. */
export function checkReason(ruling: Ruling, context: z.core.$RefinementCtx): void {
  if (ruling.reason === undefined || ruling.outcome === 'refuse') return
  const message = 'a reason only where outcome is refuse'
  context.addIssue({ code: 'custom', path: ['reason'], message })
}

export const ruleSchema = section({ match, ...rulingKeys }).superRefine(checkReason)

/** Has every key of a rule. */
export const sampleRule: Rule = {
  match: { namespace: [], pod: [], annotations: {}, user: [] },
  outcome: 'map',
  reason: '',
  allow: [],
}
