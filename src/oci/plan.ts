import { isAbsolute, join } from 'node:path'
import type { IdmapSupport, Work } from '../kernel/work.js'
import type { IdRange } from '../ranges/range.js'
import type { Identity } from './identity.js'
import {
  addUserNamespace,
  bindSysfs,
  clampPingGroups,
  idmapVolumes,
  namespacePath,
  openNetwork,
  sandboxUserNamespace,
  takeNetSysctls,
} from './modify.js'
import type { Spec } from './spec.js'

export interface Surroundings {
  readonly bundle: string
  readonly range: IdRange
  /** Where the sandbox's sysfs is mounted on the host. */
  readonly sysfs: string
  /** What of each volume the kernel can map, by destination. */
  readonly volumes: ReadonlyMap<string, IdmapSupport>
  /** The user namespace that owns the sandbox's netns, and is kept here for it to join; undefined: the host's own that. */
  readonly networkOwner?: string | undefined
}

/**
 * All that makes a container of a pod run in the pod's range: the work, the last of which replaces its config.json.
 * @throws Error with a sentence when the specification can't be made to
 */
export function planContainer(
  spec: Spec,
  identity: Identity,
  { bundle, range, sysfs, volumes, networkOwner }: Surroundings,
): Work[] {
  const userns = identity.role === 'container' ? sandboxUserNamespace(spec) : networkOwner
  if (identity.role === 'container' && userns === undefined)
    throw new Error("its specification doesn't say by a /proc path which namespaces of its sandbox it joins")
  // A netns that the pod owns, or that the runtime makes in it: its root mounts its sysfs and sets its sysctls himself.
  const netns = networkOwner === undefined ? namespacePath(spec, 'network') : undefined
  const taken =
    netns === undefined
      ? { spec: clampPingGroups(spec, range), sysctls: {} }
      : takeNetSysctls(identity.role === 'sandbox' ? openNetwork(spec, range) : spec)
  let planned = idmapVolumes(addUserNamespace(taken.spec, range, userns), range, volumes)
  const works: Work[] = [
    { kind: 'openBundle', bundle, gid: range.hostID },
    { kind: 'mapRootfs', rootfs: rootfsOf(spec, bundle), range },
  ]
  if (netns !== undefined) {
    works.push(
      { kind: 'writeSysctls', netns, sysctls: taken.sysctls },
      { kind: 'mountSysfs', netns, target: sysfs },
    )
    // After the volumes: this bind must keep the ids that it has.
    planned = bindSysfs(planned, sysfs)
  }
  works.push({ kind: 'replaceFile', path: join(bundle, 'config.json'), text: JSON.stringify(planned) })
  return works
}

function rootfsOf(spec: Spec, bundle: string): string {
  const path = spec.root?.path ?? 'rootfs'
  return isAbsolute(path) ? path : join(bundle, path)
}
