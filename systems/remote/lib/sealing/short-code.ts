import type { Session } from './session'
import { SHORT_CODE_WORDS } from './short-code-words'

export type ShortCodeLanguage = keyof typeof SHORT_CODE_WORDS

/**
 * Four words that only the two ends of a session can know: people who read the same on both screens have nobody between them. In another
 * language they are other words.
 */
export async function shortCode(session: Session, language: ShortCodeLanguage = 'en'): Promise<string> {
  const bytes = await session.export('sas', 4)
  return Array.from(bytes, byte => SHORT_CODE_WORDS[language][byte]).join(' ')
}
