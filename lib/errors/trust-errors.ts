import type { WireCloseCode } from './close-codes'
import { TokenError } from './token-error'

/**
 * The error for a client that is not trusted.
 *
 * @param code for the client
 * @param why for this side alone
 */
export function untrustedClient(code: WireCloseCode, why: string): TokenError {
  const message =
    code === 'certificate-required'
      ? 'Cannot trust a client: a certificate is demanded, and it showed none'
      : `Cannot trust a client: its certificate was refused with ${why}`
  return new TokenError('ERR_CERTIFICATE', message, { closeCode: code })
}

export function untrustedServer(target: string, why: string, options?: ErrorOptions): TokenError {
  const message = `Cannot trust the server at ${target}: its certificate was refused with ${why}`
  return new TokenError('ERR_CERTIFICATE', message, options)
}

/** The error for a certificate that has ended under a connection. @param whose the server's or, at a server, the peer's */
export function certificateExpired(whose: 'peer' | 'server'): TokenError {
  const message = `Cannot keep the connection: the ${whose}'s certificate has expired`
  return new TokenError('ERR_CERTIFICATE', message, { closeCode: 'certificate-expired' })
}
