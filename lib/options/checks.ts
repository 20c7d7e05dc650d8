import { TokenError } from '../errors/token-error'

/** The longest delay of Node's timers, milliseconds: a longer one fires at once. */
export const MAX_DELAY = 0x7fff_ffff

/** Says why a value can't be used, to follow "it"; null when it can. */
export type Check = (value: unknown) => string | null

export type Checks = Readonly<Record<string, Check>>

/** Options that are numbers: the default of each, and what it may be. */
export type Numbers = Readonly<Record<string, readonly [byDefault: number, check: Check]>>

/** Letters by which a misspelt name may differ: two of them make another word of a short one. */
const MISSPELT = { long: 2, short: 1, shortLength: 5 }

const SHOWN_LENGTH = 80

export const boolean: Check = value => demand(typeof value === 'boolean', 'be true or false', value)

export const callback: Check = value => demand(typeof value === 'function', 'be a function', value)

/** An empty text is most often a variable of the environment that nobody has set. */
export const text: Check = value =>
  demand(typeof value === 'string' && value !== '', 'be a string that is not empty', value)

export const object: Check = value =>
  demand(typeof value === 'object' && value !== null && !Array.isArray(value), 'be an object', value)

export const abortSignal: Check = value =>
  demand(
    typeof (value as AbortSignal | null)?.aborted === 'boolean' &&
      typeof (value as AbortSignal).addEventListener === 'function',
    'be an AbortSignal',
    value
  )

/** For a value that is looked at where it is read. */
export const anything: Check = () => null

/** Milliseconds that a timer of Node can wait. */
export const timerDelay = whole(0, MAX_DELAY)

/** The same, or Infinity. */
export const wait: Check = value => (value === Number.POSITIVE_INFINITY ? null : timerDelay(value))

export function whole(least: number, most = Number.MAX_SAFE_INTEGER): Check {
  return value =>
    demand(
      Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
      `be an integer from ${least} to ${most}`,
      value
    )
}

export function wholeOrInfinity(least: number): Check {
  const check = whole(least)
  return value => (value === Number.POSITIVE_INFINITY ? null : check(value))
}

/** Days before an end; none at all turn the notice off. */
export const days: Check = value =>
  demand(
    Array.isArray(value) && value.every(day => whole(1)(day) === null),
    'be a list of integers, days, each at least 1',
    value
  )

export function among(...allowed: readonly unknown[]): Check {
  return value => demand(allowed.includes(value), `be one of ${allowed.join(', ')}`, value)
}

/** For what the library decides itself, or can't do. */
export function never(why: string): Check {
  return () => why
}

/** @returns a copy, so that each option is read once @throws TokenError `ERR_OPTION` for what is no object */
export function copyOf<T extends object>(options: T): T {
  const why = object(options)
  if (why !== null) throw new TokenError('ERR_OPTION', `Cannot use the options: they ${why}`)
  return { ...options }
}

/** @throws TokenError `ERR_OPTION` for a value that its check refuses */
export function checkOption(name: string, value: unknown, check: Check): void {
  const why = check(value)
  if (why !== null) throw refuse(name, why)
}

/**
 * Checks options among which others may stand, which Node or nobody knows.
 *
 * @throws TokenError `ERR_OPTION` for the first name that is misspelt, and for the first value that its check refuses
 */
export function checkOptions(options: object, ...known: readonly Checks[]): void {
  refuseMisspelt(options, known.flatMap(Object.keys))
  for (const checks of known) checkValues(options, checks)
}

/**
 * Checks options that must have no other names.
 *
 * @param before what a message puts before the name of an option in an option
 * @throws TokenError `ERR_OPTION`
 */
export function checkAllOptions(options: object, checks: Checks, owner: string, before = ''): void {
  const given = prefixed(options, before)
  const known: Checks = prefixed(checks, before)
  refuseMisspelt(given, Object.keys(known))
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(known, name)) throw refuse(name, `is not an option of ${owner}`)
  }
  checkValues(given, known)
}

export function checksOf(numbers: Numbers): Checks {
  return Object.fromEntries(Object.entries(numbers).map(([name, [, check]]) => [name, check]))
}

/** The numbers among the options, with the defaults in the place of those that are not given. */
export function complete<T extends Numbers>(
  numbers: T,
  options: { readonly [Name in keyof T]?: number | undefined }
): Record<keyof T, number> {
  const values = Object.entries(numbers).map(([name, [byDefault]]) => [name, options[name] ?? byDefault])
  return Object.fromEntries(values)
}

/** The options that are given and have one of these names. */
export function pick<T extends object>(options: T, names: Checks): Readonly<T> {
  const given = Object.entries(options).filter(
    ([name, value]) => value !== undefined && Object.hasOwn(names, name)
  )
  return Object.freeze(Object.fromEntries(given)) as T
}

/** The options that are given and have none of these names. */
export function without(options: object, ...names: readonly Checks[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(
      ([name, value]) => value !== undefined && !names.some(known => Object.hasOwn(known, name))
    )
  )
}

/** @param why to follow "it" */
export function refuse(name: string, why: string): TokenError {
  return cannotUse(name, `it ${why}`)
}

export function cannotUse(name: string, why: string): TokenError {
  return new TokenError('ERR_OPTION', `Cannot use option ${name}: ${why}`)
}

/** A value as a message may show it. The own text of an object could say, or throw, anything. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, SHOWN_LENGTH))
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'function') return 'a function'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

/** An option that is undefined is not given. */
function checkValues(options: object, checks: Checks): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && Object.hasOwn(checks, name)) checkOption(name, value, checks[name] as Check)
  }
}

/** A name that looks like a known one and is none: `authorise` would let everybody in, without a word. */
function refuseMisspelt(options: object, names: readonly string[]): void {
  for (const name of Object.keys(options)) {
    const meant = names.includes(name) ? undefined : names.find(other => isMisspelt(name, other))
    if (meant !== undefined) throw refuse(name, `is not an option: did you mean ${meant}?`)
  }
}

function prefixed<T>(values: Readonly<Record<string, T>> | object, before: string): Record<string, T> {
  return Object.fromEntries(Object.entries<T>({ ...values }).map(([name, value]) => [before + name, value]))
}

function demand(isMet: boolean, what: string, value: unknown): string | null {
  return isMet ? null : `must ${what}, got ${shown(value)}`
}

function isMisspelt(name: string, meant: string): boolean {
  const most = meant.length > MISSPELT.shortLength ? MISSPELT.long : MISSPELT.short
  return (
    Math.abs(name.length - meant.length) <= most && distance(name.toLowerCase(), meant.toLowerCase()) <= most
  )
}

/** Counts the letters to add, to remove, to change or to swap with a neighbour that make one word of the other. */
function distance(a: string, b: string): number {
  const rows: number[][] = [[...Array(b.length + 1).keys()]]
  for (let i = 1; i <= a.length; i++) {
    const [before, row] = [rows[i - 1] as number[], [i]]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      row[j] = Math.min(
        (before[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (before[j - 1] as number) + (isSame ? 0 : 1)
      )
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j] as number, ((rows[i - 2] as number[])[j - 2] as number) + 1)
      }
    }
    rows.push(row)
  }
  return rows[a.length]?.[b.length] as number
}
