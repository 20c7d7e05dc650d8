import { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { knownCertificates } from './known-certificates'
import { commonNameOf, parseSubjectAltName, UNREADABLE } from './peer-names'

/** The identity of the other side, as its certificate states it. */
export interface Peer {
  /** The subject as Node prints it: one `NAME=value` a line, escaped as in RFC 2253; may be empty. */
  readonly subject: string
  /** The common name of the subject, unescaped. Null for none; and for several, of which none is the one. */
  readonly commonName: string | null
  /** The issuer, in the same form. */
  readonly issuer: string
  /** The subject alternative names, unescaped: `DNS:localhost`, `IP Address:127.0.0.1`, `URI:spiffe://…` … */
  readonly sans: readonly string[]
  /** Upper-case hex, as the authority chose it. */
  readonly serialNumber: string
  /** SHA-256 of the certificate in DER: 32 bytes in upper-case hex, joined by colons. */
  readonly fingerprint: string
  readonly validFrom: Date
  readonly validTo: Date
  /** True when the chain leads to a CA that this side trusts. */
  readonly isAuthorized: boolean
}

/**
 * The certificate of the other side. It does not ask `getPeerX509Certificate()`: on a client each call takes one certificate
 * out of the chain, and the next call gives the issuer or nothing.
 */
export function certificateOf(socket: TLSSocket): X509Certificate | undefined {
  const { raw, fingerprint256 } = socket.getPeerCertificate() ?? {}
  return raw === undefined ? undefined : (knownCertificates.find(fingerprint256) ?? new X509Certificate(raw))
}

/**
 * The certificates that the peer of a TLS connection sent, its own first. Take them when the connection comes, and before
 * anything else asks: before Node 26 `getPeerX509Certificate` forgets them as it tells them. Only the leaf is known of a
 * resumed session, and of a trusted client on Node 24, where Node itself has asked before: the rest of its path must be in
 * option `ca`, else a check refuses it.
 *
 * `getPeerCertificate(true)` would add what this side trusted at that time, and tells only part of a chain that came in
 * another order.
 */
export function peerChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let certificate = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length <= 100) {
    chain.push(knownCertificates.find(certificate.fingerprint256) ?? certificate)
    // A known certificate may have come with another issuer than the one shown here.
    certificate = certificate.issuerCertificate
  }
  // An array that was pushed to keeps room for 17, and this one stays as long as the connection.
  return chain.slice()
}

/**
 * SHA-256 of each certificate that this side may have presented on a connection.
 *
 * @param known those of its credentials
 * @param mayDiffer true when it may have presented another one, which the socket knows
 */
export function ownFingerprints(
  socket: TLSSocket,
  known: readonly Uint8Array[],
  mayDiffer: boolean
): readonly Uint8Array[] {
  const presented = mayDiffer || known.length === 0 ? socket.getX509Certificate() : undefined
  return presented === undefined ? known : [...known, fingerprintBytes(presented.fingerprint256)]
}

/** The peer of a TLS socket; null for any other Duplex and for a peer that showed no certificate. */
export function peerOf(socket: Duplex): Peer | null {
  return isTls(socket) ? peerFrom(certificateOf(socket), socket.authorized) : null
}

function isTls(socket: Duplex): socket is TLSSocket {
  const { encrypted, getPeerX509Certificate } = socket as Partial<TLSSocket>
  return encrypted === true && typeof getPeerX509Certificate === 'function'
}

/** A fingerprint as HELLO carries it: 32 bytes. */
export function fingerprintBytes(fingerprint: string): Buffer {
  return Buffer.from(fingerprint.replaceAll(':', ''), 'hex')
}

/** Each peer has its own dates: a Date can be changed, and the certificate is shared. */
export function peerFrom(certificate: X509Certificate | undefined, isAuthorized: boolean): Peer | null {
  if (certificate === undefined) return null
  const { subject, commonName, issuer, sans, serialNumber, fingerprint, notBefore, notAfter } =
    textsOf(certificate)
  return Object.freeze({
    subject,
    commonName,
    issuer,
    sans,
    serialNumber,
    fingerprint,
    validFrom: new Date(notBefore),
    validTo: new Date(notAfter),
    isAuthorized
  })
}

/** A short name for people: the common name, else what there is. */
export function nameOf(peer: Peer | null): string | null {
  if (peer === null) return null
  const { commonName, subject, sans, fingerprint } = peer
  if (commonName !== null) return `CN=${commonName}`
  return subject.replaceAll('\n', ', ') || (sans[0] ?? fingerprint)
}

/**
 * What stays the same when a certificate is renewed: issuer, subject and sorted SANs; null for no certificate. A certificate
 * with a name that can't be read in full is known by its fingerprint alone: another one may read the same.
 */
export function identityOf(peer: Peer | null): string | null {
  if (peer === null) return null
  const { issuer, subject, sans, fingerprint } = peer
  const isReadable = sans !== UNREADABLE && ![issuer, subject, ...sans].some(name => UNPRINTED.test(name))
  return JSON.stringify(isReadable ? [issuer, subject, [...sans].sort()] : [fingerprint])
}

/** What Node prints for a kind of name that it doesn't know, and for bytes that are no text. */
const UNPRINTED = /:<(?:unsupported|invalid)>$|\ufffd/

/** Milliseconds since 1970; NaN for a date that can't be read. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

export function validityOf(certificate: X509Certificate): Validity {
  return textsOf(certificate)
}

type Texts = Omit<Peer, 'validFrom' | 'validTo' | 'isAuthorized'> & { notBefore: number; notAfter: number }

/** A thousand connections of one peer share these strings. */
const texts = new WeakMap<X509Certificate, Texts>()

function textsOf(certificate: X509Certificate): Texts {
  const known = texts.get(certificate)
  if (known !== undefined) return known
  // Node's types don't know that a name without attributes is undefined.
  const subject = certificate.subject ?? ''
  const read = {
    subject,
    commonName: commonNameOf(subject),
    issuer: certificate.issuer ?? '',
    sans: Object.freeze(parseSubjectAltName(certificate.subjectAltName)),
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo)
  }
  texts.set(certificate, read)
  return read
}
