import { TokenError } from '../errors/token-error'
import type { SessionLossReason } from '../session/session'

export function stallError(timeout: number): TokenError {
  return new TokenError(
    'ERR_WRITE_TIMEOUT',
    `Cannot send: the peer took nothing for writeTimeout, ${timeout} ms`
  )
}

export function closeTimeoutError(timeout: number): TokenError {
  return new TokenError(
    'ERR_CLOSE_TIMEOUT',
    `Cannot close the connection in order: it was not done in ${timeout} ms`
  )
}

export function replacedError(): TokenError {
  return new TokenError('ERR_LOST', 'Cannot use the transport: a newer dial has the session', {
    closeCode: 'session-replaced'
  })
}

export function idleError(timeout: number): TokenError {
  return new TokenError(
    'ERR_IDLE_TIMEOUT',
    `Cannot keep the connection: no byte of a token passed for idleTimeout, ${timeout} ms`
  )
}

export function prematureCloseError(): TokenError {
  const message = 'Cannot use the connection: its socket was destroyed before both sides had ended'
  return new TokenError('ERR_SOCKET', message)
}

export function chunkError(chunk: unknown): TokenError {
  const message = `Cannot read from the socket: it gives a ${typeof chunk} instead of a Buffer (setEncoding, object mode)`
  return new TokenError('ERR_SOCKET', message)
}

export function sessionLostError(reason: SessionLossReason): TokenError {
  return new TokenError('ERR_SESSION_LOST', `Cannot go on with the session: ${reason}`, {
    closeCode: 'session-lost'
  })
}
