import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Language, Words } from '../words/words'
import { languageNow, wordsOf } from '../words/words'

export interface Spoken {
  readonly language: Language
  readonly words: Words
}

export const SpokenContext = createContext<Spoken>({ language: languageNow(), words: wordsOf(languageNow()) })

export function useSpoken(): Spoken {
  return useContext(SpokenContext)
}

/** Puts a name or a time where the words have `{}`. */
export function fill(words: string, value: string): string {
  return words.replace('{}', () => value)
}
