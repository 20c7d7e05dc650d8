import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/** The identity of the other side, as its certificate states it. */
export interface Peer {
  /** The subject as Node prints it: one `NAME=value` a line. */
  readonly subject: string
  /** The issuer, in the same form. */
  readonly issuer: string
  /** The subject alternative names: `DNS:localhost`, `IP Address:127.0.0.1` … */
  readonly sans: readonly string[]
  /** SHA-256 of the certificate in DER: 32 bytes in upper-case hex, joined by colons. */
  readonly fingerprint: string
  readonly validFrom: Date
  readonly validTo: Date
  /** True when the chain leads to a CA that this side trusts. */
  readonly isAuthorized: boolean
}

/** The peer of a TLS socket; null for any other Duplex and for a peer that showed no certificate. */
export function peerOf(socket: Duplex): Peer | null {
  if (!(socket instanceof TLSSocket)) return null
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? null : peerFrom(certificate, socket.authorized)
}

function peerFrom(certificate: X509Certificate, isAuthorized: boolean): Peer {
  return Object.freeze({
    subject: certificate.subject,
    issuer: certificate.issuer,
    sans: Object.freeze(certificate.subjectAltName?.split(', ') ?? []),
    fingerprint: certificate.fingerprint256,
    validFrom: new Date(certificate.validFrom),
    validTo: new Date(certificate.validTo),
    isAuthorized
  })
}
