const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * The text on one line with nothing in it that a terminal obeys (escape sequences, also those of 8 bits) or that hides
 * or reorders what stands there. Such characters become \uXXXX, so that JSON stays the same JSON.
 */
export const printable = (text: string): string =>
  text.replaceAll(INVISIBLE, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
