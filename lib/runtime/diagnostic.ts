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

/** Names and values in one line: of an error its code and message, of a connection what `util.inspect` shows. */
function lineOf(message: object): string {
  const known = Object.entries(message).filter(([, value]) => value !== null)
  return known.map(([name, value]) => `${name} ${shown(value)}`).join(', ')
}

function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return escaped(String(value))
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`
  if (isDate(value)) return inspect(value)
  if (isNativeError(value)) return escaped(`${(value as NodeJS.ErrnoException).code}: ${value.message}`)
  return inspect.custom in value ? inspect(value) : `{ ${lineOf(value)} }`
}
