import { TopicError } from '../client/topic-error'
import type { PublishOptions, Sender } from '../client/topics'
import { isTopicFilter } from '../wire/topics'

/** What a handler is given beside the payload. */
export interface HandlerContext {
  readonly topic: string
  /** Who sent the message, as the broker verified it: never what the payload claims. */
  readonly sender: Sender
  /** Aborts when the time of this attempt is over, or the handlers are stopped. */
  readonly signal: AbortSignal
  /** Publishes to `‹id›_‹topic›`, or `‹id›/‹topic›` where the id allows that form only. Anything but bytes and texts becomes JSON. */
  publishTo(id: string, topic: string, payload: unknown, options?: PublishOptions): Promise<void>
  /** Publishes to another topic as it is. */
  publish(topic: string, payload: unknown, options?: PublishOptions): Promise<void>
}

export interface HandlerOptions {
  /** Of the subscription. Default 1. */
  readonly qos?: 0 | 1
  /** `json`: the payload is parsed, and what is no JSON goes to the dead letters at once; `buffer`: it stays as it is. Default `json`. */
  readonly payload?: 'json' | 'buffer'
  /** How often it is tried again when it throws, 0 to 100. Default 3. */
  readonly retries?: number
  /** Milliseconds before the first retry; before each further one twice as long. Default 200. */
  readonly retryDelay?: number
  /** Milliseconds that one attempt may take, finite. Default 30,000. */
  readonly timeout?: number
  /**
   * Where a message goes that can't be handled. `true`: to `dead_‹topic›`; a text: to this topic. Default false: the message counts as not
   * received, and the broker gives it again.
   */
  readonly deadLetter?: boolean | string
}

export type HandlerFunction = (payload: never, context: HandlerContext) => unknown

/** A function and the topic that it serves. Made by {@link handler}. */
export interface HandlerDefinition {
  readonly filter: string
  readonly run: HandlerFunction
  readonly options: Readonly<Required<HandlerOptions>>
}

const DEFAULTS: Required<HandlerOptions> = {
  qos: 1,
  payload: 'json',
  retries: 3,
  retryDelay: 200,
  timeout: 30_000,
  deadLetter: false
}

const MOST_RETRIES = 100
const LONGEST = 2 ** 31 - 1

const isWhole = (value: unknown, from: number, to: number) =>
  Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to

const CHECKS: Record<keyof HandlerOptions, { readonly must: string; isGood(value: unknown): boolean }> = {
  qos: { must: 'be 0 or 1', isGood: value => value === 0 || value === 1 },
  payload: { must: 'be "json" or "buffer"', isGood: value => value === 'json' || value === 'buffer' },
  retries: {
    must: `be a whole number from 0 to ${MOST_RETRIES}`,
    isGood: value => isWhole(value, 0, MOST_RETRIES)
  },
  retryDelay: { must: `be milliseconds from 0 to ${LONGEST}`, isGood: value => isWhole(value, 0, LONGEST) },
  timeout: { must: `be milliseconds from 1 to ${LONGEST}`, isGood: value => isWhole(value, 1, LONGEST) },
  deadLetter: {
    must: 'be true, false or a topic without wildcards',
    isGood: value => typeof value === 'boolean' || (typeof value === 'string' && /^[^+#$][^+#]*$/.test(value))
  }
}

/**
 * A handler for a topic, or for all topics of a filter. `serveHandlers` runs it.
 *
 * @throws TopicError `ERR_TOPIC_HANDLER`
 */
export function handler<Payload = unknown>(
  filter: string,
  run: (payload: Payload, context: HandlerContext) => unknown,
  options: HandlerOptions = {}
): HandlerDefinition {
  if (typeof filter !== 'string' || filter === '') throw wrong('the topic is no text, or empty')
  if (!isTopicFilter(filter)) throw wrong(`"${filter}" is no topic filter`)
  if (typeof options !== 'object' || options === null) throw wrong(`the options of ${filter} are no object`)
  if (typeof run !== 'function') throw wrong(`the handler of ${filter} is no function`)
  for (const [name, value] of Object.entries(options)) {
    const check = CHECKS[name as keyof HandlerOptions]
    if (check === undefined) throw wrong(`${filter} has no option ${name}`)
    if (value !== undefined && !check.isGood(value)) throw wrong(`${name} of ${filter} must ${check.must}`)
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  return Object.freeze({
    filter,
    run: run as HandlerFunction,
    options: Object.freeze({ ...DEFAULTS, ...given })
  })
}

export function isDefinition(value: unknown): value is HandlerDefinition {
  const { filter, run, options } = (value ?? {}) as Partial<HandlerDefinition>
  return typeof filter === 'string' && typeof run === 'function' && typeof options === 'object'
}

function wrong(why: string): TopicError {
  return new TopicError('ERR_TOPIC_HANDLER', `Cannot use a handler: because ${why}`)
}
