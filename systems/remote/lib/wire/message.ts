import { utf8 } from '../encoding/bytes'
import { MAX_DEPTH, parseJson } from '../encoding/json'

/**
 * What stands sealed in a frame: a batch of these, as one JSON array of arrays. `number`: the client counts what it asks, from 1 on and
 * through all of its connections. What is asked again after a loss has the number that it had.
 */
export type Message =
  /** client → device. */
  | readonly ['req', number: number, event: string, payload: unknown, options?: RequestOptions]
  /** client → device: something of the device itself, as `describe`, `state`, `lease`; never seen by the handler. */
  | readonly ['ask', number: number, what: string, payload: unknown]
  /** client → device: nobody waits for the answer any more. */
  | readonly ['cancel', number: number]
  /** client → device: all below this number are settled; their answers can be forgotten. */
  | readonly ['ack', number: number]
  /** client → device: is anybody there? It is answered with `pong`. */
  | readonly ['ping']
  | readonly ['pong']
  /** device → client. `rev`: of the state, after it; 0: as before. Without `response` the handler returned nothing. */
  | readonly ['res', number: number, rev: number, response?: unknown]
  /** device → client. */
  | readonly ['err', number: number, failure: Failure]
  /** device → client: it was not taken, since the key of this session was replaced: it may be asked under another. */
  | readonly ['again', number: number]
  /** device → client: the handler is at work, and says how far. */
  | readonly ['progress', number: number, value: unknown]
  /** device → client, unasked: the state, a reply that somebody else got, that the pairing is approved. */
  | readonly ['event', name: string, value: unknown]
  /** device → client: it has sealed so much under this session that another is due. */
  | readonly ['renew']
  /** device → client: this session's key was replaced; requests under way are still answered, further ones are not taken. */
  | readonly ['rekey']
  /** device → client: this session's key counts no more; nothing follows. */
  | readonly ['revoked']
  /**
   * device → client, alone in the answer to a request without a connection: it is not taken, and never will be; seal it again with this
   * {@link Moment}. `untakenFor`: for so many milliseconds it was not, either; without it, never.
   */
  | readonly ['clock', ...Moment, known: string, untakenFor?: number]

export interface RequestOptions {
  /** Refuse it as `stale` unless the state has this revision. */
  readonly ifRev?: number
  /** Milliseconds, from its arrival on, after which nobody waits any more; default: that of {@link First}. */
  readonly timeout?: number
}

/** What a client says of itself, as JSON sealed with the first flight of a handshake. */
export interface First {
  /** 22 characters that the client chose by chance once and for all; nobody but the device learns them. */
  readonly instance: string
  /** The highest number that a device may have had from it; 0: none. */
  readonly sent: number
  /** Milliseconds. */
  readonly timeout: number
  /** Of a request without a connection: when it was sealed, by the device's count. Without it, the device says its count. */
  readonly at?: Moment
  /** Of a request without a connection: what the device called its memory of this client when the request left first. */
  readonly known?: string
}

/** The device's epoch, and milliseconds since that began. */
export type Moment = readonly [epoch: string, milliseconds: number]

/** What the device says of itself, as JSON sealed with its accept. */
export interface Greeting {
  readonly rev: number
  readonly name?: string
}

export interface Failure {
  /** A code of RemoteError. */
  readonly code: string
  readonly message: string
  readonly ran?: string
  readonly reason?: string
  readonly rev?: number
}

/** Bytes of one message. */
export const MAX_MESSAGE_BYTES = 1_048_576
/** Of an event's name. */
export const MAX_EVENT_LENGTH = 256

/** Levels of what a client says: two are those of the batch and of the message. */
const ASKED_DEPTH = MAX_DEPTH + 2
/** Of what a device says: it puts one more around the state, and around the reply that another client got. */
export const TOLD_DEPTH = MAX_DEPTH + 3

export function encodeMessages(messages: readonly Message[]): Uint8Array<ArrayBuffer> {
  return utf8(JSON.stringify(messages))
}

/**
 * @returns the arrays as they came: each begins with a string; who takes a message checks the rest
 * @throws Error without a word of the content
 */
export function decodeMessages(
  bytes: Uint8Array,
  maxDepth = ASKED_DEPTH
): readonly (readonly [string, ...unknown[]])[] {
  const batch = parseJson(bytes, maxDepth)
  if (!Array.isArray(batch)) throw new Error('a batch is no array')
  for (const message of batch)
    if (!Array.isArray(message) || typeof message[0] !== 'string') throw new Error('a message is no array')
  return batch
}

export function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}
