export const hasCode = (error: unknown, ...codes: string[]): boolean =>
  codes.includes(String((error as NodeJS.ErrnoException | null)?.code))

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** What `work` gives, or undefined when it fails with one of the codes. */
export async function unless<T>(work: Promise<T>, ...codes: string[]): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (hasCode(error, ...codes)) return undefined
    throw error
  }
}

/** "cannot DO: REASON"; node's own messages name no file when a read or write fails. */
export const failure = (doing: string, error: unknown): Error =>
  new Error(`cannot ${doing}: ${messageOf(error)}`, { cause: error })

/** What `work` gives, its failure put into words. */
export async function explain<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw failure(doing, error)
  }
}
