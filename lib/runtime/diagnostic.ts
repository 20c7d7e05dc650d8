import { type Channel, channel } from 'node:diagnostics_channel'
import { debuglog, inspect } from 'node:util'
import { isDate, isNativeError } from 'node:util/types'
import { escaped } from '../errors/escaped'

const log = debuglog('token-server')

/**
 * Something that happens in the life of servers, clients and connections, told as data on a channel of
 * `node:diagnostics_channel`, and as a line with `NODE_DEBUG=token-server`. When nobody hears it, nothing is made.
 */
export class Diagnostic<Values extends readonly unknown[]> {
  readonly #name: string
  readonly #channel: Channel
  readonly #messageOf: (...values: Values) => object

  /** @param name of the channel, behind `token-server:` */
  constructor(name: string, messageOf: (...values: Values) => object) {
    this.#name = name
    this.#channel = channel(`token-server:${name}`)
    this.#messageOf = messageOf
  }

  tell(...values: Values): void {
    if (!log.enabled && !this.#channel.hasSubscribers) return
    const message = Object.freeze(this.#messageOf(...values))
    if (log.enabled) log('%s', `${this.#name}: ${lineOf(message)}`)
    // What a subscriber throws is uncaught in the next tick.
    this.#channel.publish(message)
  }
}

/** What it is about, in full, then the rest by name. */
function lineOf(message: object): string {
  const [[, subject], ...facts] = Object.entries(message) as [[string, unknown], ...[string, unknown][]]
  return [shown(subject), ...facts.filter(([, value]) => value !== null).map(named)].join(', ')
}

function named([name, value]: [string, unknown]): string {
  // A handler may throw anything, also a token, whose bytes are nobody's business.
  if (name === 'error' && !isNativeError(value)) return `error, of type ${typeof value}`
  const isObject = typeof value === 'object' && value !== null
  return `${name} ${isObject && isInspectable(value) ? value.constructor.name : shown(value)}`
}

/** Shows of an error its code and message, without its stack; of an object what is neither null nor 0. */
function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return escaped(String(value))
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`
  if (isDate(value) || isInspectable(value)) return inspect(value)
  if (isNativeError(value)) {
    const { code = value.name, message } = value as NodeJS.ErrnoException
    return escaped(`${code}: ${message}`)
  }
  const facts = Object.entries(value).filter(([, fact]) => fact !== null && fact !== 0)
  return `{ ${facts.map(named).join(', ')} }`
}

function isInspectable(value: object): boolean {
  return inspect.custom in value
}
