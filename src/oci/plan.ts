import { isAbsolute, join } from 'node:path'
import type { Work } from '../kernel/work.js'
import type { IdRange } from '../ranges/range.js'
import type { Identity } from './identity.js'
import {
  addUserNamespace,
  bindSysfs,
  idmapVolumes,
  namespacePath,
  sandboxUserNamespace,
  takeNetSysctls,
  volumes,
} from './modify.js'
import type { Spec } from './spec.js'

export interface Surroundings {
  readonly bundle: string
  readonly range: IdRange
  /** Where the sandbox's sysfs is mounted on the host. */
  readonly sysfs: string
}

/**
 * All that makes a container of a pod run in the pod's range: the work, the last of which replaces its config.json.
 * @throws Error with a sentence when the specification can't be made to
 */
export function planContainer(
  spec: Spec,
  identity: Identity,
  { bundle, range, sysfs }: Surroundings,
): Work[] {
  const userns = identity.role === 'container' ? sandboxUserNamespace(spec) : undefined
  if (identity.role === 'container' && userns === undefined)
    throw new Error("its specification doesn't say by a /proc path which namespaces of its sandbox it joins")
  const netns = namespacePath(spec, 'network')
  // A netns that the runtime makes belongs to the pod, whose root mounts its sysfs and sets its sysctls himself.
  const taken = netns === undefined ? { spec, sysctls: {} } : takeNetSysctls(spec)
  let planned = idmapVolumes(addUserNamespace(taken.spec, range, userns), range)
  const works: Work[] = [
    { kind: 'openBundle', bundle, gid: range.hostID },
    { kind: 'mapRootfs', rootfs: rootfsOf(spec, bundle), range },
  ]
  for (const { source = '', destination } of volumes(spec))
    works.push({
      kind: 'probeIdmap',
      source: isAbsolute(source) ? source : join(bundle, source),
      destination,
      range,
    })
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
