/**
 * Whether the whole text is what the glob says; `*` stands for any text, also none, and nothing else is special.
 * Not by a regular expression: annotations are their pod's to choose, and a backtracking one can be made to take
 * minutes. To take the first place that fits each part is enough here, and linear.
 */
export function matchesGlob(text: string, glob: string): boolean {
  const [start, ...parts] = glob.split('*') as [string, ...string[]]
  const end = parts.pop()
  if (end === undefined) return text === glob
  if (!text.startsWith(start)) return false
  let from = start.length
  for (const part of parts) {
    const found = text.indexOf(part, from)
    if (found === -1) return false
    from = found + part.length
  }
  return text.endsWith(end) && text.length - end.length >= from
}
