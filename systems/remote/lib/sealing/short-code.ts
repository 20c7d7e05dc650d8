import { SHORT_CODE_WORDS } from './short-code-words'

export type ShortCodeLanguage = keyof typeof SHORT_CODE_WORDS

/** A word for each byte, for people to compare: the same in one language alone. */
export function shortCode(bytes: Uint8Array, language: ShortCodeLanguage): string {
  return Array.from(bytes, byte => SHORT_CODE_WORDS[language][byte]).join(' ')
}
