import { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { parseSubjectAltName } from './subject-alt-name'

/** The identity of the other side, as its certificate states it. */
export interface Peer {
  /** The subject as Node prints it: one `NAME=value` a line, escaped as in RFC 2253; may be empty. */
  readonly subject: string
  /** The issuer, in the same form. */
  readonly issuer: string
  /** The subject alternative names, unescaped: `DNS:localhost`, `IP Address:127.0.0.1`, `URI:spiffe://…` … */
  readonly sans: readonly string[]
  /** In upper-case hex, as its authority chose it. */
  readonly serialNumber: string
  /** SHA-256 of the certificate in DER: 32 bytes in upper-case hex, joined by colons. */
  readonly fingerprint: string
  readonly validFrom: Date
  readonly validTo: Date
  /** True when the chain leads to a CA that this side trusts. */
  readonly isAuthorized: boolean
}

/**
 * The certificate of the other side. Not by `getPeerX509Certificate()`: on a client each call of it takes one
 * certificate out of the chain, and the next call gives the issuer or nothing.
 */
export function certificateOf(socket: TLSSocket): X509Certificate | undefined {
  const { raw } = socket.getPeerCertificate() ?? {}
  return raw === undefined ? undefined : new X509Certificate(raw)
}

/** SHA-256 of the certificate that this side presented on this connection; none when it has none. */
export function presentedFingerprints(socket: TLSSocket): readonly Uint8Array[] {
  const certificate = socket.getX509Certificate()
  return certificate === undefined ? [] : [fingerprintBytes({ fingerprint: certificate.fingerprint256 })]
}

/** The peer of a TLS socket; null for any other Duplex and for a peer that showed no certificate. */
export function peerOf(socket: Duplex): Peer | null {
  if (!(socket instanceof TLSSocket)) return null
  const certificate = certificateOf(socket)
  return certificate === undefined ? null : peerFrom(certificate, socket.authorized)
}

/** The fingerprint as HELLO carries it: 32 bytes, all zero when no certificate was seen. */
export function fingerprintBytes(peer: Pick<Peer, 'fingerprint'> | null): Buffer {
  return peer === null ? Buffer.alloc(32) : Buffer.from(peer.fingerprint.replaceAll(':', ''), 'hex')
}

export function peerFrom(certificate: X509Certificate, isAuthorized: boolean): Peer {
  return Object.freeze({
    // Node's types don't know that a name without attributes is undefined.
    subject: certificate.subject ?? '',
    issuer: certificate.issuer ?? '',
    sans: Object.freeze(parseSubjectAltName(certificate.subjectAltName)),
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    validFrom: new Date(certificate.validFrom),
    validTo: new Date(certificate.validTo),
    isAuthorized
  })
}

/** What stays the same when a certificate is renewed: issuer, subject and sorted SANs; null for no certificate. */
export function identityOf(peer: Peer | null): string | null {
  return peer === null ? null : JSON.stringify([peer.issuer, peer.subject, [...peer.sans].sort()])
}
