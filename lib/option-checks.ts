import { TokenError } from './errors'

/** The longest delay of Node's timers, milliseconds: a longer one fires at once. */
export const MAX_DELAY = 0x7fff_ffff

/** @throws TokenError `ERR_OPTION` when `value` is neither milliseconds that Node can wait nor Infinity */
export function duration(name: string, value: number): void {
  if (value !== Infinity) count(name, value, 0, MAX_DELAY)
}

/** @throws TokenError `ERR_OPTION` when `delay` is not milliseconds that Node can wait */
export function checkDelay(delay: number): void {
  count('delay', delay, 0, MAX_DELAY)
}

export function count(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw refuse(name, `must be a whole number from ${least} to ${most}, and is ${String(value)}`)
  }
}

export function oneOf(name: string, value: unknown, allowed: string[]): void {
  if (value !== undefined && !allowed.includes(value as string)) {
    throw refuse(name, `must be one of ${allowed.join(', ')}, and is ${String(value)}`)
  }
}

/** The numbers among the options, with the defaults in the place of those that are not given. */
export function complete<T extends Record<string, number>>(defaults: T, options: object): T {
  const result: Record<string, number> = { ...defaults }
  for (const name of Object.keys(defaults)) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) result[name] = value as number
  }
  return result as T
}

export function pick<T extends object, K extends keyof T>(
  options: T,
  names: readonly K[]
): Readonly<Pick<T, K>> {
  return Object.freeze(Object.fromEntries(names.map(name => [name, options[name]]))) as Pick<T, K>
}

/** The options without ours, so that Node never takes one of them for its own. */
export function without(options: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)))
}

export function refuseOwned(options: object, names: string[]): void {
  for (const name of names) {
    if ((options as Record<string, unknown>)[name] !== undefined)
      throw refuse(name, 'is set by token-server itself')
  }
}

export function refuse(name: string, why: string): TokenError {
  return new TokenError('ERR_OPTION', `Cannot use option ${name}: it ${why}`)
}
