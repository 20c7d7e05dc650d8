import type { Identity } from '@token-server/identity'
import { covers, matches } from '../wire/topics'
import { ownerOf, whyNoTopicsFor } from './owner-of'

/** What one identity may do. Pure: no connection, no clock. Answers are reasons in words; undefined: it is allowed. */
export interface Grants {
  /** Why this identity may not use the broker at all. */
  readonly whyNoTopics: string | undefined
  whyNotPublish(topic: string): string | undefined
  whyNotSubscribe(filter: string): string | undefined
  /** The last word before a message leaves: a subscription of an earlier token, or one in a store, gives nothing more than this. */
  mayReceive(topic: string): boolean
}

/**
 * A device, user or guest publishes commands and subscribes below its own id; a handler publishes and subscribes everywhere outside `$`; an
 * admin subscribes to `$SYS` besides. Patterns in the token (`publish`, `subscribe`) replace these rules, but for `$`.
 *
 * @param commands Patterns of further topics that devices may publish to, such as `contacts/#`.
 */
export function grantsOf(identity: Identity, commands: readonly string[] = []): Grants {
  const { kind, id } = identity
  if (kind === 'handler' || kind === 'admin') return new ServiceGrants(identity)
  return new DeviceGrants(id, identity.publish, identity.subscribe, commands)
}

/** Topics of `$` that no token can open. A handler's token may name others, such as `$metrics/#`. */
const OF_THE_BROKER = /^\$(SYS|share|token)(\/|$)/

const NOT_TOKEN = 'publish to topics that begin with "$" is for the broker'

class DeviceGrants implements Grants {
  readonly whyNoTopics: string | undefined
  readonly #id: string
  readonly #publish: readonly string[] | undefined
  readonly #subscribe: readonly string[] | undefined
  readonly #commands: readonly string[]
  readonly #ownsUnderscore: boolean

  constructor(
    id: string,
    publish: readonly string[] | undefined,
    subscribe: readonly string[] | undefined,
    commands: readonly string[]
  ) {
    this.#id = id
    this.#publish = publish
    this.#subscribe = subscribe
    this.#commands = commands
    this.#ownsUnderscore = ownerOf(id).kind === 'user'
    this.whyNoTopics =
      whyNoTopicsFor(id) ??
      (commands.some(pattern => firstSegmentMatches(pattern, id))
        ? 'the id of the user is the first segment of a command'
        : undefined)
  }

  whyNotPublish(topic: string): string | undefined {
    if (topic.startsWith('$')) return NOT_TOKEN
    if (this.#publish !== undefined) {
      return matchesAny(this.#publish, topic) ? undefined : 'no pattern of "publish" in the token matches'
    }
    if (matchesAny(this.#commands, topic)) return undefined
    const owner = ownerOf(topic)
    if (owner.kind === 'command') return undefined
    return owner.kind === 'user' && owner.id === this.#id
      ? 'topics below an id are published by handlers'
      : 'a device publishes commands only, and this is none'
  }

  whyNotSubscribe(filter: string): string | undefined {
    if (filter.startsWith('$')) return 'topics that begin with "$" are for admins'
    if (this.#subscribe !== undefined) {
      return coveredByAny(this.#subscribe, filter)
        ? undefined
        : 'no pattern of "subscribe" in the token covers it'
    }
    return this.#owns(filter) ? undefined : 'a device subscribes below its own id only'
  }

  mayReceive(topic: string): boolean {
    if (topic.startsWith('$')) return false
    return this.#subscribe === undefined ? this.#owns(topic) : matchesAny(this.#subscribe, topic)
  }

  /**
   * What `ownerOf` says, without a search: this is asked for each delivery. A wildcard in the first segment makes it another segment, so
   * that filters and topics are judged alike.
   */
  #owns(filter: string): boolean {
    if (!filter.startsWith(this.#id)) return false
    const next = filter.charAt(this.#id.length)
    return next === '/' || (this.#ownsUnderscore && (next === '_' || next === ''))
  }
}

class ServiceGrants implements Grants {
  readonly whyNoTopics = undefined
  readonly #publish: readonly string[] | undefined
  readonly #subscribe: readonly string[] | undefined
  readonly #isAdmin: boolean

  constructor(identity: Identity) {
    this.#publish = identity.publish
    this.#subscribe = identity.subscribe
    this.#isAdmin = identity.kind === 'admin'
  }

  whyNotPublish(topic: string): string | undefined {
    if (topic.startsWith('$') && (OF_THE_BROKER.test(topic) || this.#publish === undefined)) return NOT_TOKEN
    if (this.#publish === undefined || matchesAny(this.#publish, topic)) return undefined
    return 'no pattern of "publish" in the token matches'
  }

  whyNotSubscribe(filter: string): string | undefined {
    if (filter.startsWith('$')) {
      if (this.#isAdmin && filter.startsWith('$SYS/')) return undefined
      return 'topics that begin with "$" are for admins'
    }
    if (this.#subscribe === undefined || coveredByAny(this.#subscribe, filter)) return undefined
    return 'no pattern of "subscribe" in the token covers it'
  }

  mayReceive(topic: string): boolean {
    if (topic.startsWith('$')) return this.#isAdmin && topic.startsWith('$SYS/')
    return this.#subscribe === undefined || matchesAny(this.#subscribe, topic)
  }
}

function matchesAny(patterns: readonly string[], topic: string): boolean {
  return patterns.some(pattern => matches(pattern, topic))
}

function coveredByAny(patterns: readonly string[], filter: string): boolean {
  return patterns.some(pattern => covers(pattern, filter))
}

function firstSegmentMatches(pattern: string, id: string): boolean {
  const segment = pattern.split(/[_/]/, 1)[0] ?? ''
  return segment === id || segment === '+' || segment === '#'
}
