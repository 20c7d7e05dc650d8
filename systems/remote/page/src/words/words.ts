import { en } from './en'

/** All that the page says, in one language. */
export type Words = typeof en

/** English is there at once, for what can't be loaded. */
const LANGUAGES = {
  en: () => Promise.resolve(en),
  es: async (): Promise<Words> => (await import('./es')).es
} as const
export type Language = keyof typeof LANGUAGES

/** A language, with its words. */
export interface Spoken {
  readonly language: Language
  readonly words: Words
}

export const ENGLISH: Spoken = { language: 'en', words: en }

const STORED = 'remote.language'

export function isLanguage(value: unknown): value is Language {
  return typeof value === 'string' && Object.hasOwn(LANGUAGES, value)
}

/** What was chosen here, else the first of the browser's languages that the page has, else English. */
export function languageNow(): Language {
  const stored = localStorage.getItem(STORED)
  if (isLanguage(stored)) return stored
  return navigator.languages.map(tag => tag.slice(0, 2).toLowerCase()).find(isLanguage) ?? 'en'
}

export function chooseLanguage(language: Language): void {
  localStorage.setItem(STORED, language)
}

export async function speak(language: Language): Promise<Spoken> {
  try {
    return { language, words: await LANGUAGES[language]() }
  } catch {
    return ENGLISH
  }
}

const SECOND = 1000
const UNITS = [
  ['day', 86_400 * SECOND],
  ['hour', 3_600 * SECOND],
  ['minute', 60 * SECOND],
  ['second', SECOND]
] as const

/** "3 minutes ago", "hace 3 minutos": whole units, rounded down. */
export function ago(language: Language, milliseconds: number): string {
  const past = Math.max(0, milliseconds)
  const [unit, length] = UNITS.find(([, size]) => past >= size) ?? ['second', SECOND]
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(-Math.floor(past / length), unit)
}

/** Something of which there are `count`: each form has `#` where the number goes. */
export function plural(language: Language, count: number, forms: { one: string; other: string }): string {
  const form = new Intl.PluralRules(language).select(count) === 'one' ? forms.one : forms.other
  return form.replace('#', new Intl.NumberFormat(language).format(count))
}
