import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml'
import type { Problem } from './problems.js'

/** A fault at a place of the text, `offset` characters after its start. */
interface Mistake {
  readonly offset: number
  readonly message: string
}

const startOf = (node: unknown): number => (node as { range?: [number] } | null)?.range?.[0] ?? 0
const keyName = (key: unknown): string => String(isScalar(key) ? key.value : key)

/** A YAML text that remembers where everything stands. */
export class ConfigDocument {
  readonly #lines = new LineCounter()
  readonly #document: Document
  readonly #pairs = new Map<YAMLMap, Map<string, Pair>>()
  readonly #duplicates: Mistake[] = []
  /** Faults that leave the text without a meaning that could be checked. */
  readonly syntaxMistakes: readonly Mistake[]

  constructor(text: string) {
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      // The parser's own check takes minutes for a text of many keys: it compares all pairs.
      uniqueKeys: false,
      logLevel: 'error',
    })
    this.syntaxMistakes = this.#findSyntaxMistakes()
    if (!this.syntaxMistakes.length) this.#indexKeys()
  }

  get duplicateKeys(): readonly Mistake[] {
    return this.#duplicates
  }

  /**
   * A key without a value, all of its own keys commented out perhaps, has the value undefined. Inside a list it stays
   * null, which nothing accepts: a rule of the policy that lost a condition would match more than it says.
   */
  get value(): unknown {
    return withoutNulls(this.#document.toJS())
  }

  /** A problem lies at its value, or at the name of the last key on the way to it that is there. */
  locate({ path, inKey, message }: Problem): Mistake {
    let node: unknown = this.#document.contents
    let offset = startOf(node)
    for (const [depth, key] of path.entries()) {
      if (isSeq(node) && typeof key === 'number' && key < node.items.length) {
        node = node.items[key]
        offset = startOf(node)
        continue
      }
      const pair = isMap(node) ? this.#pairs.get(node)?.get(String(key)) : undefined
      if (!pair) break
      node = pair.value
      offset = startOf(inKey && depth === path.length - 1 ? pair.key : (node ?? pair.key))
    }
    return { offset, message }
  }

  /** Line and column of the value at this path, `12:3`; undefined when it isn't in the text. */
  placeOf(path: Problem['path']): string | undefined {
    if (!this.#document.hasIn(path)) return undefined
    const { line, col } = this.#lines.linePos(this.locate({ path, inKey: false, message: '' }).offset)
    return `${line}:${col}`
  }

  /** A line for each mistake, in the order of the text: `config.yaml:12:3: ...`. */
  print(mistakes: readonly Mistake[], fileName: string): string[] {
    const lines = mistakes
      .toSorted((a, b) => a.offset - b.offset)
      .map(({ offset, message }) => {
        const { line, col } = this.#lines.linePos(offset)
        return `${fileName}:${line}:${col}: ${message}`
      })
    return [...new Set(lines)]
  }

  #findSyntaxMistakes(): Mistake[] {
    const faults = [...this.#document.errors, ...this.#document.warnings]
    // One per level that the parser had no stack left for.
    const overflow = faults.find(({ message }) => message.includes('call stack'))
    if (overflow) return [{ offset: overflow.pos[0], message: 'nested too deeply' }]
    const mistakes = faults.map(({ code, pos, message }) => ({
      offset: pos[0],
      message: code === 'MULTIPLE_DOCS' ? 'a second document begins here, but a config is one' : message,
    }))
    visit(this.#document, {
      // Without aliases no text can unfold into more than its own size.
      Alias: (_, alias) => {
        const message = `the alias *${alias.source} is not supported: write the value out, and a text with * in quotes`
        mistakes.push({ offset: startOf(alias), message })
      },
    })
    return mistakes
  }

  #indexKeys(): void {
    visit(this.#document, {
      Map: (_, map) => {
        const pairs = new Map<string, Pair>()
        for (const pair of map.items) {
          const name = keyName(pair.key)
          const message = `key ${JSON.stringify(name)} is given twice`
          if (pairs.has(name)) this.#duplicates.push({ offset: startOf(pair.key), message })
          pairs.set(name, pair)
        }
        this.#pairs.set(map, pairs)
      },
    })
  }
}

function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined
  if (typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutNulls(item)]))
}
