import type { Connection } from '../connection/connection'
import { type Checks, callback, checkAllOptions, copyOf } from '../options/checks'

/** What `TokenServer.broadcast()` accepts. */
export interface BroadcastOptions<Data = unknown> {
  /** Sends only to the connections of which it says true. Default: to all. */
  filter?: ((connection: Connection<Data>) => boolean) | undefined
}

/** What became of a token of `TokenServer.broadcast()`. */
export interface BroadcastResult {
  /** Connections that took the token. */
  readonly taken: number
  /** Connections that did not: their outbox is full, or their peer takes no token of this length. */
  readonly refused: number
}

const CHECKS: Checks = { filter: callback }

/**
 * Sends a token to each of these connections that can still be written. A peer that is slow, or takes shorter tokens only,
 * keeps it from nobody else.
 *
 * @param token checked already
 * @throws TokenError `ERR_OPTION`, and what the filter throws; then nobody was sent anything
 */
export function broadcast<Data>(
  connections: Iterable<Connection<Data>>,
  token: Uint8Array,
  options: BroadcastOptions<Data>
): BroadcastResult {
  const { filter } = copyOf(options)
  checkAllOptions(options, CHECKS, 'broadcast()')
  const chosen = [...connections].filter(
    connection => !connection.isDead && (filter === undefined || filter(connection))
  )
  let taken = 0
  for (const connection of chosen) {
    if (token.length <= connection.maxTokenLength && connection.send(token)) taken++
  }
  return Object.freeze({ taken, refused: chosen.length - taken })
}
