import type { TLSSocket } from 'node:tls'
import { certificateOf, type Validity, validityOf } from './peer'

export interface TrustFailure {
  /** The close code for the peer (docs/wire-format.md, section 13): it says no more than this. */
  readonly code: 'certificate-required' | 'certificate-expired' | 'certificate-unknown'
  /** For this side's own log: OpenSSL's word for the error (`CERT_REVOKED` …), or one in plain English. */
  readonly reason: string
}

const OUTSIDE_ITS_DATES: readonly string[] = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']

/**
 * Why the peer of a TLS connection is not trusted now; null when it is. It asks what `rejectUnauthorized: true` would ask, and
 * what Node forgets of a resumed session. Both sides ask it on every connection, resumed or not.
 *
 * A server that is to tell a TLS 1.3 client why it was refused has to let the handshake succeed
 * (`rejectUnauthorized: false`), so that this is all that stands between a stranger and `authorize`.
 *
 * It holds only together with {@link sessionIdContext}: of a resumed session OpenSSL knows the peer's leaf and the verdict
 * of the first handshake, not the chain. That a CA was removed, or a certificate revoked, is noticed because the ticket is void;
 * that a CA or a CRL has ended, within the server's `sessionTimeout`. And on Node 20 a ticket of one SNI context resumes in all
 * others: a server can't have contexts of different CAs.
 *
 * @param certificate the peer's, when the caller knows it: Node does not know it of a client's resumed session
 */
export function checkTrust(
  socket: TLSSocket,
  now: Date,
  certificate = certificateOf(socket)
): TrustFailure | null {
  // Node <= 22 says `authorized` of a resumed TLS 1.3 session that never had a certificate.
  if (certificate === undefined) return { code: 'certificate-required', reason: 'no certificate' }
  if (socket.authorized !== true) return chainFailure(String(socket.authorizationError ?? 'not authorized'))
  const dates = dateError(validityOf(certificate), now.getTime())
  return dates === null ? null : chainFailure(dates)
}

/** Both ends of a validity belong to it (RFC 5280, 4.1.2.5). */
export function dateError(validity: Validity, now: number): string | null {
  // A date that can't be read compares false with everything, so that both comparisons must be true.
  if (!(validity.notBefore <= now)) return 'CERT_NOT_YET_VALID'
  return now <= validity.notAfter ? null : 'CERT_HAS_EXPIRED'
}

/**
 * Makes a socket say that its peer is not trusted: a handler or `authorize` reads it there, and of a resumed session Node says
 * `authorized` also where {@link checkTrust} says no.
 */
export function distrust(socket: TLSSocket, reason: string): void {
  if (socket.authorized !== true) return
  socket.authorized = false
  // Node itself sets a word; its types say Error.
  socket.authorizationError = reason as unknown as Error
}

/**
 * OpenSSL keeps the last of several errors, and looks at the dates last: the expired certificate of a stranger counts as
 * expired too.
 */
export function chainFailure(reason: string): TrustFailure {
  return { code: OUTSIDE_ITS_DATES.includes(reason) ? 'certificate-expired' : 'certificate-unknown', reason }
}
