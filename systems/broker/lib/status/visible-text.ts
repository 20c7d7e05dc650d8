/** Controls, formatting (marks of direction, zero widths), separators, halves of a pair, unassigned ones, and what a font draws as nothing. */
const INVISIBLE = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/gu

const LONGEST = 80

/**
 * Text that strangers chose, so that it looks like what it is: nothing invisible, nothing that turns what stands beside it, not too long.
 * It is not escaped for HTML.
 */
export function visibleText(text: string): string {
  // Before and after: what is escaped becomes longer, and what is long takes time.
  return shortened(
    shortened(text).replace(INVISIBLE, character => `\\u{${character.codePointAt(0)?.toString(16)}}`)
  )
}

/** Its beginning and its end. */
function shortened(text: string): string {
  if (text.length <= LONGEST) return text
  return `${text.slice(0, LONGEST / 2)}…${text.slice(-LONGEST / 2 + 1)}`
}
