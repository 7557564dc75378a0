import type { IdRange } from '../ranges/range.js'

/** Values: a change makes a new one, so that an entry that was looked at earlier can be told from the present one. */
export interface Sandbox {
  readonly id: string
  /** Absolute path; empty when only the runtime has named this sandbox. */
  readonly bundle: string
  /** The runtime has said over NRI that it runs. */
  readonly confirmed: boolean
}

export interface PodEntry {
  readonly podUID: string
  readonly range: IdRange
  /** When the range was given; after a restart the time of the record's file. */
  readonly since: Date
  readonly sandboxes: ReadonlyMap<string, Sandbox>
  /** The pod's Kubernetes namespace and name; unknown after a restart until the runtime has told them. */
  readonly namespace?: string | undefined
  readonly name?: string | undefined
}

export interface PodNames {
  readonly namespace?: string | undefined
  readonly name?: string | undefined
}

/** For messages: `pod default/web (UID)`, or `pod UID` while its name is unknown. */
export const printPod = (podUID: string, { namespace, name }: PodNames): string =>
  name === undefined ? `pod ${podUID}` : `pod ${namespace ?? ''}/${name} (${podUID})`

export function withNames(entry: PodEntry, { namespace, name }: PodNames): PodEntry {
  return { ...entry, namespace: namespace ?? entry.namespace, name: name ?? entry.name }
}

export function withSandbox(entry: PodEntry, sandbox: Sandbox): PodEntry {
  return { ...entry, sandboxes: new Map(entry.sandboxes).set(sandbox.id, sandbox) }
}

export function withoutSandbox(entry: PodEntry, sandboxID: string): PodEntry {
  const sandboxes = new Map(entry.sandboxes)
  sandboxes.delete(sandboxID)
  return { ...entry, sandboxes }
}
