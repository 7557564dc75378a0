import { matchesGlob } from './pattern.js'

export const OUTCOMES = ['map', 'skip', 'refuse'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** By this annotation a pod asks for an outcome. */
export const OUTCOME_ANNOTATION = 'outcome.userns.nri.io'

/** What rules can tell pods and containers by. */
export interface Subject {
  readonly namespace: string | undefined
  readonly pod: string | undefined
  /** The pod's; none while no rule asks for any, or where its engine has none. */
  readonly labels: Readonly<Record<string, string>>
  /** The pod's, as far as its runtime passes them. */
  readonly annotations: Readonly<Record<string, string>>
  /** The uid that its process starts with; undefined for a pod's sandbox, whose process is the runtime's own. */
  readonly user: number | undefined
}

export type User = number | 'root' | 'nonroot'

/** Each condition that is given must hold; of a list one entry must. */
export interface Match {
  readonly namespace?: readonly string[] | undefined
  readonly pod?: readonly string[] | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly user?: readonly User[] | undefined
}

export interface Ruling {
  readonly outcome: Outcome
  /** The admin's own words for a refusal. */
  readonly reason?: string | undefined
  /** What a pod may ask for by its annotation in place of the outcome. */
  readonly allow: readonly Outcome[]
  /** Ids of its range where the outcome is map, a multiple of 65,536; undefined: as many as all others. */
  readonly idsPerPod?: number | undefined
  /** What a pod may ask for by its annotation in place of idsPerPod, at most; undefined: nothing. */
  readonly maxIdsPerPod?: number | undefined
}

export interface Rule extends Ruling {
  readonly match: Match
}

export interface Policy {
  /** First match wins. */
  readonly rules: readonly Rule[]
  readonly default: Ruling
  /** What becomes of a pod that can't be mapped as it shares the host's network, pid or ipc namespace. */
  readonly hostNamespaces: 'refuse' | 'skip'
  /** What becomes of a pod that can't be mapped as it is privileged. */
  readonly privileged: 'refuse' | 'skip'
}

/** What of the policy decided: a rule by its index, or another of its keys. */
export type Setting = number | Exclude<keyof Policy, 'rules'>

/** Its place in the config, as Kubernetes writes the places of fields. */
export const printSetting = (setting: Setting): string =>
  typeof setting === 'number' ? `policy.rules[${setting}]` : `policy.${setting}`

export interface Decision {
  readonly outcome: Outcome
  readonly by: Setting
  /** Of skip and refuse: the end of a sentence that names the pod. */
  readonly reason?: string | undefined
}

type Conditions = {
  readonly [K in keyof Match]-?: (wanted: NonNullable<Match[K]>, subject: Subject) => boolean
}

const matchesAny = (text: string | undefined, globs: readonly string[]): boolean =>
  text !== undefined && globs.some((glob) => matchesGlob(text, glob))

const CONDITIONS: Conditions = {
  namespace: (globs, { namespace }) => matchesAny(namespace, globs),
  pod: (globs, { pod }) => matchesAny(pod, globs),
  labels: (wanted, { labels }) => matchesAll(labels, wanted),
  annotations: (wanted, { annotations }) => matchesAll(annotations, wanted),
  user: (users, { user }) => user !== undefined && users.some((wanted) => isUser(wanted, user)),
}

const matchesAll = (
  texts: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean => Object.entries(wanted).every(([key, glob]) => matchesAny(annotationOf(texts, key), [glob]))

/** Of an annotation or label, its text; undefined when it isn't there. */
export const annotationOf = (
  annotations: Readonly<Record<string, string>>,
  key: string,
): string | undefined => (Object.hasOwn(annotations, key) ? annotations[key] : undefined)

const isUser = (wanted: User, uid: number): boolean =>
  wanted === 'nonroot' ? uid !== 0 : uid === (wanted === 'root' ? 0 : wanted)

function matches(match: Match, subject: Subject): boolean {
  return (Object.keys(CONDITIONS) as (keyof Match)[]).every((key) => {
    const holds = CONDITIONS[key] as (wanted: unknown, subject: Subject) => boolean
    return match[key] === undefined || holds(match[key], subject)
  })
}

/** The first rule that asks for the pod's labels, for whoever has to find them out; undefined when none does. */
export function ruleOnLabels({ rules }: Policy): Setting | undefined {
  const index = rules.findIndex(({ match }) => match.labels)
  return index === -1 ? undefined : index
}

/** What the rules and the pod's annotation say, before anything is known of whether it can be. */
export function decide(policy: Policy, subject: Subject): Decision {
  const index = policy.rules.findIndex(({ match }) => matches(match, subject))
  const by: Setting = index === -1 ? 'default' : index
  const ruling = policy.rules[index] ?? policy.default
  const wanted = annotationOf(subject.annotations, OUTCOME_ANNOTATION)
  if (wanted === undefined || wanted === ruling.outcome) return ruled(ruling, by)
  return asked(wanted, ruling, by)
}

function ruled({ outcome, reason }: Ruling, by: Setting): Decision {
  if (outcome === 'map') return { outcome, by }
  if (outcome === 'skip') return { outcome, by, reason: `${printSetting(by)} leaves it alone` }
  return {
    outcome,
    by,
    reason: reason
      ? `the policy of this node refuses it: ${reason} (${printSetting(by)})`
      : `the policy of this node refuses it by ${printSetting(by)} in the config of nri-userns: ` +
        "ask the node's admin, or run the pod by another runtime handler",
  }
}

function asked(wanted: string, { allow }: Ruling, by: Setting): Decision {
  const outcome = OUTCOMES.find((known) => known === wanted)
  if (!outcome)
    return {
      outcome: 'refuse',
      by,
      reason:
        `its annotation ${OUTCOME_ANNOTATION} is ${quote(wanted)}, which is none of ${OUTCOMES.join(', ')}: ` +
        'correct it or take it out of the pod',
    }
  if (!allow.includes(outcome))
    return {
      outcome: 'refuse',
      by,
      reason:
        `its annotation ${OUTCOME_ANNOTATION} asks for ${outcome}, which ${printSetting(by)} does not allow: ` +
        `take it out of the pod, or have the node's admin add ${outcome} to ${printSetting(by)}.allow`,
    }
  const reason = `its annotation ${OUTCOME_ANNOTATION} asks for it, as ${printSetting(by)} allows`
  return outcome === 'map' ? { outcome, by } : { outcome, by, reason }
}

/** Short and on one line: it is the pod's text, and goes into the log and the pod's event. */
export const quote = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text)
