/** A member of a tar archive; ids and modes are written as given, dates as 1970 so that archives are reproducible. */
export interface TarEntry {
  readonly path: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** What the member is: a file of this content, or a link to this target, or else a directory. */
  readonly content?: Uint8Array | string
  readonly linkTo?: string
}

const RECORD = 512

/** Writes a ustar archive. Paths are limited to 100 bytes, ids to 2097151. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const end = Buffer.alloc(2 * RECORD)
  return Buffer.concat([...entries.flatMap(member), end])
}

function member({ path, mode, uid = 0, gid = 0, content, linkTo }: TarEntry): Buffer[] {
  const data = Buffer.from(content ?? '')
  const [type, ordinaryMode] =
    linkTo !== undefined ? ['2', 0o777] : content !== undefined ? ['0', 0o644] : ['5', 0o755]
  const header = Buffer.alloc(RECORD)
  const octal = (value: number, at: number, width: number) =>
    header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at)
  header.write(path, 0, 100)
  octal(mode ?? ordinaryMode, 100, 8)
  octal(uid, 108, 8)
  octal(gid, 116, 8)
  octal(data.length, 124, 12)
  octal(0, 136, 12)
  header.write('        ', 148)
  header.write(type, 156)
  header.write(linkTo ?? '', 157, 100)
  header.write('ustar\x0000', 257)
  octal(
    header.reduce((sum, byte) => sum + byte),
    148,
    8,
  )
  return [header, data, Buffer.alloc(-data.length & (RECORD - 1))]
}
