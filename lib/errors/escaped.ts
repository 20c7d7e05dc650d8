/** A text from a peer: characters that control a terminal, or split or turn a line of a log, stand as `\uXXXX`. */
export function escaped(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
