import { nearName } from '../config/near-name'

/** Says why a value can't be used, to follow "it is"; undefined when it can. */
export type Check = (value: unknown) => string | undefined

/** Of an option that must be given. */
export type NeededCheck = Check & { readonly isNeeded: true }

/** For all options that there are: TypeScript misses a name, and one that is needed. Of an option that is an object: those in it. */
export type Checks<Options> = {
  readonly [Name in keyof Required<Options>]: undefined extends Options[Name]
    ? Check | NamedChecks
    : NeededCheck
}

interface NamedChecks {
  readonly [name: string]: Check | NamedChecks
}

/** Makes the error of a package. */
export type WrongOption = (name: string, why: string) => Error

/** The longest time of a timer, milliseconds: Node takes a longer one for 1. */
const MAX_DELAY = 2 ** 31 - 1

export const isFlag = check(value => typeof value === 'boolean', 'neither true nor false')
export const isText = check(value => typeof value === 'string' && value !== '', 'no text, or empty')
export const isPayload = check(
  value => typeof value === 'string' || value instanceof Uint8Array,
  'neither bytes nor a text'
)
export const isFunction = check(value => typeof value === 'function', 'no function')
export const isObject = check(
  value => typeof value === 'object' && value !== null && !Array.isArray(value),
  'no object'
)
export const isSignal = check(value => value instanceof AbortSignal, 'no AbortSignal')
/** Milliseconds that a timer can wait. */
export const isTime = wholeNumber(1, MAX_DELAY)
/** Likewise, or none at all. */
export const isWait = wholeNumber(0, MAX_DELAY)
/** For what is looked at where it is used. */
export const isAnything: Check = () => undefined

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Check {
  return check(
    value => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
    `no whole number from ${least} to ${most}`
  )
}

export function only(...values: readonly unknown[]): Check {
  return check(value => values.includes(value), `not one of ${values.join(', ')}`)
}

export function isEither(one: Check, other: Check): Check {
  return value => {
    const [why, whyElse] = [one(value), other(value)]
    return why === undefined || whyElse === undefined ? undefined : `${why}, and ${whyElse}`
  }
}

export function listOf(each: Check): Check {
  return value => {
    if (!Array.isArray(value)) return 'no list'
    const at = value.findIndex(one => each(one) !== undefined)
    return at < 0 ? undefined : `a list whose number ${at + 1} is ${each(value[at])}`
  }
}

/** An object, or a function, that has these functions. */
export function has(...names: readonly string[]): Check {
  return check(
    value => names.every(name => typeof (value as Record<string, unknown> | null)?.[name] === 'function'),
    `nothing with the functions ${names.join(', ')}`
  )
}

export function needed(check: Check): NeededCheck {
  return Object.assign((value: unknown) => check(value), { isNeeded: true } as const)
}

/** @throws what `wrong` makes */
export function checkOption(name: string, value: unknown, check: Check, wrong: WrongOption): void {
  const why = check(value)
  if (why !== undefined) throw wrong(name, `it is ${why}`)
}

/**
 * An option that is undefined is not given.
 *
 * @param within the name of the option that these are in
 * @throws what `wrong` makes, for a name that no option has, and for a value that can't be used
 */
export function checkOptions<Options extends object>(
  options: Options,
  checks: Checks<Options>,
  wrong: WrongOption,
  within = ''
): void {
  checkOption(within === '' ? 'options' : within, options, isObject, wrong)
  const known: NamedChecks = checks
  const given = options as Readonly<Record<string, unknown>>
  for (const own of new Set([...Object.keys(given), ...Object.keys(known)])) {
    const [name, value] = [within === '' ? own : `${within}.${own}`, given[own]]
    const check = Object.hasOwn(known, own) ? known[own] : undefined
    if (check === undefined) throw wrong(name, `there is none of this name${hint(own, Object.keys(known))}`)
    if (value === undefined && !('isNeeded' in check)) continue
    if (typeof check === 'object') checkOptions(value as object, check, wrong, name)
    else checkOption(name, value, check, wrong)
  }
}

function check(isGood: (value: unknown) => boolean, what: string): Check {
  return value => (isGood(value) ? undefined : what)
}

function hint(name: string, known: readonly string[]): string {
  const near = nearName(name, known)
  return near === null ? '' : `: did you mean ${near}?`
}
