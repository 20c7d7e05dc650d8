import { createHash, type KeyObject, type X509Certificate } from 'node:crypto'
import { type CertificateFacts, certificateFacts } from './certificate-facts'
import type { AuthorityKey } from './x509-extensions'

/** A certificate with what a path needs of it. */
export class PathCertificate {
  readonly facts: CertificateFacts
  #fingerprint: string | null = null
  #key: { readonly object: KeyObject; readonly id: string } | null = null

  /** @throws DerError */
  constructor(readonly certificate: X509Certificate) {
    this.facts = certificateFacts(certificate.raw)
  }

  get fingerprint(): string {
    this.#fingerprint ??= this.certificate.fingerprint256
    return this.#fingerprint
  }

  /** As OpenSSL means it: its names and key identifiers say so; nobody has looked at the signature. */
  get isSelfSigned(): boolean {
    return isLikelyIssuer(this, this)
  }

  /** Whether this key made the signature of that certificate, and may. */
  hasSigned(issued: PathCertificate): boolean {
    this.#key ??= keyOf(this.certificate)
    const { object, id } = this.#key
    const known = verdicts.get(issued.certificate)
    if (known?.keyId === id) return known.isValid
    const isValid = issued.certificate.verify(object)
    verdicts.set(issued.certificate, { keyId: id, isValid })
    return isValid
  }
}

/**
 * What never changes: whether a key made a certificate's signature. With it a second check of a connection costs a
 * tenth of the first, also when the CA's certificate was renewed.
 */
const verdicts = new WeakMap<X509Certificate, { readonly keyId: string; readonly isValid: boolean }>()

function keyOf(certificate: X509Certificate): { object: KeyObject; id: string } {
  const object = certificate.publicKey
  const der = object.export({ type: 'spki', format: 'der' })
  return { object, id: createHash('sha256').update(der).digest('base64') }
}

/** A path from a leaf upwards. */
export interface Path {
  readonly certificates: readonly PathCertificate[]
  /** Null when the last certificate is trusted; else OpenSSL's word for why there is no such path. */
  readonly failure: string | null
}

/** As OpenSSL's default. */
const MAX_DEPTH = 100

/**
 * Finds the path that OpenSSL finds (build_chain in x509_vfy.c, trusted first): at each step an issuer among the
 * trusted certificates, else among those the peer sent; never back, whatever a signature says later. So each step
 * has one answer, and a hostile set of certificates costs no more than its length.
 *
 * @param trusted by subject; only a self-signed one ends a path (a `tls.Server` ignores allowPartialTrustChain)
 */
export function findPath(
  leaf: PathCertificate,
  sent: readonly PathCertificate[],
  trusted: ReadonlyMap<string, readonly PathCertificate[]>,
  now: number
): Path {
  const certificates = [leaf]
  let candidates = sent
  for (let current = leaf; certificates.length <= MAX_DEPTH; ) {
    if (current.isSelfSigned) {
      const same = trusted
        .get(current.facts.subject)
        ?.find(({ fingerprint }) => fingerprint === current.fingerprint)
      return { certificates, failure: same === undefined ? selfSigned(certificates) : null }
    }

    const anchor = bestIssuer(current, trusted.get(current.facts.issuer) ?? [], now)
    const issuer = anchor ?? bestIssuer(current, without(candidates, certificates), now)
    if (issuer === null) return { certificates, failure: noIssuer(candidates) }
    certificates.push(issuer)
    current = issuer
    // From a trusted certificate on, what the peer sent is not asked.
    if (anchor !== null) candidates = NONE
  }
  return { certificates, failure: 'CERT_CHAIN_TOO_LONG' }
}

const NONE: readonly PathCertificate[] = []

function without(
  all: readonly PathCertificate[],
  used: readonly PathCertificate[]
): readonly PathCertificate[] {
  return all.filter(({ fingerprint }) => !used.some(certificate => certificate.fingerprint === fingerprint))
}

/** The first that is within its dates, else the one that ended last. */
function bestIssuer(
  issued: PathCertificate,
  candidates: readonly PathCertificate[],
  now: number
): PathCertificate | null {
  let best: PathCertificate | null = null
  for (const candidate of candidates) {
    if (!isLikelyIssuer(candidate, issued)) continue
    if (dateError(candidate, now) === null) return candidate
    if (best === null || candidate.facts.notAfter > best.facts.notAfter) best = candidate
  }
  return best
}

function isLikelyIssuer(issuer: PathCertificate, issued: PathCertificate): boolean {
  return issuer.facts.subject === issued.facts.issuer && isKeyOf(issued.facts.authorityKey, issuer.facts)
}

/** Whether an authority key identifier does not speak against this issuer; one that is missing never does. */
export function isKeyOf(key: AuthorityKey | null, issuer: CertificateFacts): boolean {
  if (key === null) return true
  const { keyId, serialNumber, issuer: name } = key
  if (keyId !== null && issuer.subjectKeyId !== null && keyId !== issuer.subjectKeyId) return false
  if (serialNumber !== null && serialNumber !== issuer.serialNumber) return false
  return name === null || name === issuer.issuer
}

/** RFC 5280, 4.1.2.5: both ends belong to it; OpenSSL takes the last second away, and so does this. */
export function dateError({ facts }: PathCertificate, now: number): string | null {
  if (!(facts.notBefore <= now)) return 'CERT_NOT_YET_VALID'
  return now < facts.notAfter ? null : 'CERT_HAS_EXPIRED'
}

function selfSigned(certificates: readonly PathCertificate[]): string {
  return certificates.length === 1 ? 'DEPTH_ZERO_SELF_SIGNED_CERT' : 'SELF_SIGNED_CERT_IN_CHAIN'
}

function noIssuer(candidates: readonly PathCertificate[]): string {
  return candidates === NONE ? 'UNABLE_TO_GET_ISSUER_CERT' : 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'
}
