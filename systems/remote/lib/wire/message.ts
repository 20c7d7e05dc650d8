import { utf8 } from '../encoding/bytes'
import { parseJson } from '../encoding/json'

/** What stands sealed in a frame: a batch of these, as one JSON array of arrays. */
export type Message =
  /** client → device. `options`: what the client asks beside. */
  | readonly ['req', id: string, event: string, payload: unknown, options?: RequestOptions]
  /** client → device: something of the device itself, as `describe`, `state`, `lease`; never seen by the handler. */
  | readonly ['ask', id: string, what: string, payload: unknown]
  /** client → device: nobody waits for the answer any more. */
  | readonly ['cancel', id: string]
  /** device → client. `rev`: of the state, after it. */
  | readonly ['res', id: string, response: unknown, rev?: number]
  /** device → client. */
  | readonly ['err', id: string, failure: Failure]
  /** device → client: the handler is at work, and says how far. */
  | readonly ['progress', id: string, value: unknown]
  /** device → client, unasked: the state, a reply that somebody else got, that the pairing is approved. */
  | readonly ['event', name: string, value: unknown]
  /** device → client: this session's key counts no more; requests under way are still answered. */
  | readonly ['rekey']

export interface RequestOptions {
  /** Refuse it as `stale` unless the state has this revision. */
  readonly ifRev?: number
}

export interface Failure {
  readonly code: string
  readonly message: string
  readonly ran?: string
  readonly reason?: string
  readonly rev?: number
}

export function encodeMessages(messages: readonly Message[]): Uint8Array<ArrayBuffer> {
  return utf8(JSON.stringify(messages))
}

/**
 * @returns the arrays as they came: each begins with a string; who takes a message checks the rest
 * @throws Error without a word of the content
 */
export function decodeMessages(bytes: Uint8Array): readonly (readonly [string, ...unknown[]])[] {
  const batch = parseJson(bytes)
  if (!Array.isArray(batch)) throw new Error('a batch is no array')
  for (const message of batch)
    if (!Array.isArray(message) || typeof message[0] !== 'string') throw new Error('a message is no array')
  return batch
}
