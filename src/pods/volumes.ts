import { readFile, realpath } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { mountOf } from '../kernel/mountinfo.js'
import type { IdmapSupport } from '../kernel/work.js'
import type { LogFields } from '../observe/log.js'
import { volumes } from '../oci/modify.js'
import type { Spec, SpecMount } from '../oci/spec.js'
import type { IdRange } from '../ranges/range.js'
import type { Node } from './node.js'

/**
 * Asks the kernel what of a container's volumes it can map.
 * @returns the answers by destination, without those that stay plain
 * @throws Error with a sentence for one that can't be mapped and may not be plain
 */
export async function mappableVolumes(
  node: Node,
  spec: Spec,
  bundle: string,
  range: IdRange,
  who: LogFields,
): Promise<Map<string, IdmapSupport>> {
  const mounts = volumes(spec)
  if (mounts.length === 0) return new Map()
  const sources = mounts.map(({ source = '' }) => (isAbsolute(source) ? source : join(bundle, source)))
  const asked = mounts.map((mount, index) => ({ source: sources[index]!, recursive: isRecursive(mount) }))
  const support = await node.probe(asked, range)
  for (const [index, { destination }] of mounts.entries()) {
    if (support[index] === 'none') await handleUnsupported(node, sources[index]!, destination, who)
    if (support[index] === 'mount' && asked[index]!.recursive)
      node.log.warn('volume mapped in part', {
        ...who,
        volume: sources[index],
        mountedAt: destination,
        reason:
          'a mount below it lies on a file system that the kernel can not map ids on: its files belong to nobody there',
      })
  }
  return new Map(mounts.map(({ destination }, index) => [destination, support[index]!]))
}

const isRecursive = ({ options }: SpecMount): boolean => options?.includes('rbind') ?? false

async function handleUnsupported(
  node: Node,
  source: string,
  destination: string,
  who: LogFields,
): Promise<void> {
  const type =
    mountOf(await readFile('/proc/self/mountinfo', 'utf8'), await realpath(source))?.type ?? 'unknown'
  const what = `the volume ${source} (mounted at ${destination}) lies on a file system (${type}) that the kernel can't map ids on`
  if (node.unsupportedVolumes === 'refuse')
    throw new Error(
      `${what}: use a volume on ext4, xfs, btrfs or tmpfs, or set volumes.unsupported: plain, by which its files belong to nobody`,
    )
  node.log.warn('volume not mapped', { ...who, volume: source, mountedAt: destination, fileSystem: type })
}
