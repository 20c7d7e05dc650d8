import { CLOSE_CODES, type WireCloseCode } from './close-codes'
import type { TokenError, TokenErrorCode } from './token-error'

/** The close code that tells the peer of an error; of an error that is not here it is told nothing. */
const CODE_OF_ERROR: Partial<Record<TokenErrorCode, WireCloseCode>> = {
  ERR_CLOSE_TIMEOUT: 'normal',
  ERR_DETACHED: 'internal-error',
  ERR_FRAME_TIMEOUT: 'frame-timeout',
  ERR_HANDSHAKE_TIMEOUT: 'handshake-timeout',
  ERR_IDLE_TIMEOUT: 'idle-timeout',
  ERR_PROTOCOL: 'protocol-error',
  ERR_REFUSED: 'refused',
  ERR_SERVER_CLOSED: 'shutdown',
  ERR_SESSION_LOST: 'session-lost',
  ERR_SLOW_CONSUMER: 'slow-consumer',
  ERR_TOKEN_TOO_LARGE: 'too-large',
  ERR_TOO_MANY_CONNECTIONS: 'overloaded',
  ERR_TOO_MANY_CONNECTIONS_PER_IDENTITY: 'overloaded'
}

/** The close code of an error; null when the peer can't hear it, or has closed itself. */
export function closeCodeOf(error: TokenError): WireCloseCode | null {
  if (error.code === 'ERR_PEER_CLOSED') return null
  return error.closeCode ?? CODE_OF_ERROR[error.code] ?? null
}

/** Writes into an error what the peer is told of it. */
export function isTold(error: TokenError, code: WireCloseCode): void {
  ;(error as { closeCode: WireCloseCode | undefined }).closeCode = code
}

/** Errors that break a transport without a decision of either side: a session outlives them. */
const TRANSPORT_ERRORS: readonly TokenErrorCode[] = [
  'ERR_HEARTBEAT_TIMEOUT',
  'ERR_LOST',
  'ERR_SOCKET',
  'ERR_WRITE_TIMEOUT'
]

/** True when a session outlives what broke its transport (docs/wire-format.md, section 13: the class of the code). */
export function keepsSession(error: TokenError): boolean {
  if (TRANSPORT_ERRORS.includes(error.code)) return true
  const code = error.closeCode ?? CODE_OF_ERROR[error.code]
  return code !== undefined && CLOSE_CODES[code].keepsSession
}
