/** Where the machine's own Debian packages come from. */
export interface DebianSource {
  readonly uri: string
  readonly signedBy?: string
}

/**
 * Finds the archive that carries a suite in the texts of apt's sources, deb822 or one-line.
 * Other suites of the same archive are then a matter of naming them.
 */
export function findSource(texts: readonly string[], suite: string): DebianSource | undefined {
  for (const text of texts) {
    const found = /^types:/im.test(text) ? fromDeb822(text, suite) : fromLines(text, suite)
    if (found) return found
  }
  return undefined
}

function fromDeb822(text: string, suite: string): DebianSource | undefined {
  const uncommented = text.replace(/^#.*\n?/gm, '')
  for (const stanza of uncommented.split(/\n\s*\n/)) {
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, 'im').exec(stanza)?.[1]?.trim().split(/\s+/) ?? []
    const [uri] = field('uris')
    const [signedBy] = field('signed-by')
    const enabled = field('enabled')[0] !== 'no'
    if (uri && enabled && field('types').includes('deb') && field('suites').includes(suite))
      return source(uri, signedBy)
  }
  return undefined
}

function fromLines(text: string, suite: string): DebianSource | undefined {
  for (const line of text.split('\n')) {
    const [, options = '', uri, its] = /^\s*deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s/.exec(line) ?? []
    if (uri && its === suite) return source(uri, /signed-by=(\S+)/i.exec(options)?.[1])
  }
  return undefined
}

/** Signed-By may also hold a key itself, which is of no use to another suite. */
function source(uri: string, signedBy: string | undefined): DebianSource {
  return signedBy?.startsWith('/') ? { uri, signedBy } : { uri }
}
