import type { WireCloseCode } from './close-codes'
import { TokenError } from './token-error'

/** The error for a client that is not trusted: it tells the reason to this side, and the close code to the client. */
export function untrustedClient({ code, reason }: { code: WireCloseCode; reason: string }): TokenError {
  const message =
    code === 'certificate-required'
      ? 'Cannot trust a client: a certificate is demanded, and it showed none'
      : `Cannot trust a client: its certificate was refused, ${reason}`
  return new TokenError('ERR_CERTIFICATE', message, { closeCode: code })
}

export function untrustedServer(target: string, reason: string, options?: ErrorOptions): TokenError {
  const message = `Cannot trust the server at ${target}: its certificate was refused with ${reason}`
  return new TokenError('ERR_CERTIFICATE', message, options)
}

/** The error for a certificate that has ended under a connection. @param whose the server's or, at a server, the peer's */
export function certificateExpired(whose: 'peer' | 'server'): TokenError {
  const message = `Cannot keep the connection: the ${whose}'s certificate has expired`
  return new TokenError('ERR_CERTIFICATE', message, { closeCode: 'certificate-expired' })
}
