import { invalid } from '../errors/remote-error'
import { MAX_DELAY } from '../time/clock'

/** Says why a value can't be used, to follow "it is"; undefined when it can. */
export type Check = (value: unknown) => string | undefined

/** For all options that there are: TypeScript misses a name. Of an option that is an object: those in it. */
export type Checks<Options> = { readonly [Name in keyof Required<Options>]: Check | NamedChecks }

interface NamedChecks {
  readonly [name: string]: Check | NamedChecks
}

export const isFlag = check(value => typeof value === 'boolean', 'neither true nor false')
export const isText = check(value => typeof value === 'string', 'no text')
export const isFunction = check(value => typeof value === 'function', 'no function')
export const isObject = check(value => typeof value === 'object' && value !== null, 'no object')
export const isCount = wholeNumber(1)
export const isTime = milliseconds(1)
export const isTexts = check(
  value => Array.isArray(value) && value.every(each => typeof each === 'string'),
  'no list of texts'
)
export const isSignal = check(
  value => typeof (value as AbortSignal | null)?.addEventListener === 'function',
  'no AbortSignal'
)
/** For what is looked at where it is used. */
export const isAnything: Check = () => undefined

export function textUpTo(most: number): Check {
  return check(
    value => typeof value === 'string' && value.length <= most,
    `no text of at most ${most} characters`
  )
}

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Check {
  return check(
    value => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
    `no whole number from ${least} to ${most}`
  )
}

export function milliseconds(least: number): Check {
  return check(
    value => typeof value === 'number' && value >= least && value <= MAX_DELAY,
    `no number of milliseconds from ${least} to ${MAX_DELAY}`
  )
}

export function only(...values: readonly string[]): Check {
  return check(value => values.includes(value as string), `not one of ${values.join(', ')}`)
}

export function isEither(one: Check, other: Check): Check {
  return value => {
    const [why, whyElse] = [one(value), other(value)]
    return why === undefined || whyElse === undefined ? undefined : `${why}, and ${whyElse}`
  }
}

/**
 * An option that is undefined is not given.
 *
 * @param within the name of the option that these are in
 * @throws RemoteError `invalid` for a name that no option has, and for a value that can't be used
 */
export function checkOptions<Options extends object>(
  options: Options,
  checks: Checks<Options>,
  within?: string
): void {
  const why = isObject(options)
  if (why !== undefined)
    throw invalid(within === undefined ? 'the options' : `the option ${within}`, `it is ${why}`)
  const known: NamedChecks = checks
  for (const [own, value] of Object.entries(options)) {
    const name = within === undefined ? own : `${within}.${own}`
    const check = Object.hasOwn(known, own) ? known[own] : undefined
    if (check === undefined)
      throw invalid(`the option ${name}`, `there is none of this name${hint(own, Object.keys(known))}`)
    if (value !== undefined) checkOption(name, value, check)
  }
}

function checkOption(name: string, value: unknown, check: Check | NamedChecks): void {
  if (typeof check === 'object') {
    checkOptions(value as object, check, name)
    return
  }
  const why = check(value)
  if (why !== undefined) throw invalid(`the option ${name}`, `it is ${why}`)
}

function check(isGood: (value: unknown) => boolean, what: string): Check {
  return value => (isGood(value) ? undefined : what)
}

function hint(name: string, known: readonly string[]): string {
  const given = name.toLowerCase()
  const [nearest] = known
    .map(other => ({ other, letters: distance(given, other.toLowerCase()) }))
    .filter(
      ({ other, letters }) => letters <= Math.max(2, other.length / 2) || other.toLowerCase().includes(given)
    )
    .sort((left, right) => left.letters - right.letters)
  return nearest === undefined ? '' : `: did you mean ${nearest.other}?`
}

/** Counts the letters to add, to remove or to change that make one word of the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1]
    for (let at = 1; at <= to.length; at++)
      next.push(
        Math.min(
          (row[at] as number) + 1,
          (next[at - 1] as number) + 1,
          (row[at - 1] as number) + (letter === to[at - 1] ? 0 : 1)
        )
      )
    row = next
  }
  return row[to.length] as number
}
