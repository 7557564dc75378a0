/** A mount of this process's mount namespace: proc_pid_mountinfo(5). */
export interface Mount {
  readonly mountPoint: string
  readonly type: string
  /** Of this mount: ro, nosuid, relatime, ... */
  readonly options: readonly string[]
  /** Of the file system, in its order; a key may come more than once. */
  readonly superOptions: readonly (readonly [key: string, value: string | undefined])[]
}

// The kernel writes space, tab, newline, backslash, and in options also comma and equals sign, as \ooo.
const unescapeOctal = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)))

function parseOption(text: string): [string, string | undefined] {
  const equals = text.indexOf('=')
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), unescapeOctal(text.slice(equals + 1))]
}

function parseLine(line: string): Mount | undefined {
  const [before, after] = line.split(' - ', 2)
  const fields = before?.split(' ') ?? []
  const [type, , superOptions] = after?.split(' ') ?? []
  if (fields.length < 6 || type === undefined || superOptions === undefined) return undefined
  return {
    mountPoint: unescapeOctal(fields[4]!),
    type,
    options: fields[5]!.split(','),
    superOptions: superOptions.split(',').map(parseOption),
  }
}

/** The topmost mount at exactly this path, or undefined when nothing is mounted there. */
export function mountAt(mountinfo: string, path: string): Mount | undefined {
  // A node with many pods has thousands of lines: only those that hold the path are worth parsing.
  const field = ` ${path.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)} `
  return mountinfo
    .split('\n')
    .filter((line) => line.includes(field))
    .map(parseLine)
    .findLast((mount) => mount?.mountPoint === path)
}

/** The mount on which a path lies that is free of links, or undefined when none is found. */
export function mountOf(mountinfo: string, path: string): Mount | undefined {
  const isAbove = ({ mountPoint }: Mount) =>
    mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`)
  const above = mountinfo
    .split('\n')
    .flatMap((line) => parseLine(line) ?? [])
    .filter(isAbove)
  // Of mounts at one place the last covers the others.
  return above.reduce<Mount | undefined>(
    (best, mount) => (best && best.mountPoint.length > mount.mountPoint.length ? best : mount),
    undefined,
  )
}
