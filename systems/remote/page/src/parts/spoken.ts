import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import { ENGLISH, type Spoken } from '../words/words'

export const SpokenContext = createContext<Spoken>(ENGLISH)

export function useSpoken(): Spoken {
  return useContext(SpokenContext)
}

/** Puts a name or a time where the words have `{}`. */
export function fill(words: string, value: string): string {
  return words.replace('{}', () => value)
}
