import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import { extensionErrors, signatureErrors } from './certificate-checks'
import { findPath, isKeyOf, PathCertificate } from './certificate-path'
import { type Crl, readCrls } from './crl'
import { certificatesIn } from './pem'
import { cannotUse, pemTexts } from './pem-option'
import { Revocation } from './revocation'
import { chainFailure, type TrustFailure } from './trust'

type Pem = string | NodeJS.ArrayBufferView

/** The options of `tls` that say which clients to trust. */
export interface TrustOptions {
  /** Without it: the roots that Node trusts. */
  readonly ca?: Pem | readonly Pem[] | undefined
  readonly crl?: Pem | readonly Pem[] | undefined
}

/** The most certificates of peers that are kept besides the leaves. */
const MAX_KNOWN = 1000

/**
 * Whom a server trusts: read once, asked for each connection. It answers for a client's certificates what a new
 * handshake with the same options would, without one.
 *
 * It is no substitute for the handshake: what can't have changed since then it doesn't ask again (the strength of
 * keys and hashes, name constraints of what the peer sent, old Netscape extensions).
 */
export class TrustAnchors {
  readonly #revocation: Revocation | null
  readonly #known = new Map<string, PathCertificate>()
  #trusted: ReadonlyMap<string, readonly PathCertificate[]> | null = null

  /** @throws TokenError `ERR_OPTION` for what can't be read, or not be asked of a live connection */
  constructor(options: TrustOptions) {
    const crls = options.crl === undefined ? [] : readCrls(options.crl as Pem)
    // An empty list is no check to Node.
    this.#revocation = crls.length === 0 ? null : new Revocation(crls)
    if (options.ca === undefined) return
    this.#trusted = bySubject(readCas(options.ca))
    for (const crl of crls) this.#refuseForeign(crl)
  }

  /**
   * Whether a client is trusted now. Null means yes.
   *
   * @param chain the leaf, then what else is known, in any order: see `peerChain`
   */
  check(chain: readonly X509Certificate[], now: Date): TrustFailure | null {
    const [leaf, ...sent] = chain
    if (leaf === undefined) return { code: 'certificate-required', reason: 'no certificate' }
    let last: string | null = null
    try {
      // Of several errors Node tells the last, and so does this: for the client it is the same one either way.
      for (const error of this.#errors(leaf, sent, now.getTime())) last = error
    } catch {
      last = 'a certificate that can not be read'
    }
    return last === null ? null : chainFailure(last)
  }

  *#errors(leaf: X509Certificate, sent: readonly X509Certificate[], now: number): Generator<string> {
    this.#trusted ??= bySubject(rootsOfNode())
    const path = findPath(
      new PathCertificate(leaf),
      sent.map(certificate => this.#know(certificate)),
      this.#trusted,
      now
    )
    if (path.failure !== null) yield path.failure
    yield* extensionErrors(path)
    if (this.#revocation !== null) yield* this.#revocation.errors(path.certificates, now)
    yield* signatureErrors(path, now)
  }

  /** Clients send the same few intermediates: one object of each is enough. */
  #know(certificate: X509Certificate): PathCertificate {
    const fingerprint = certificate.fingerprint256
    const known = this.#known.get(fingerprint)
    if (known !== undefined) return known
    const fresh = new PathCertificate(certificate)
    if (this.#known.size < MAX_KNOWN) this.#known.set(fingerprint, fresh)
    return fresh
  }

  /** A list that names a CA of ours and that its key has not signed would refuse all its clients. */
  #refuseForeign(crl: Crl): void {
    const named = (this.#trusted?.get(crl.issuerName) ?? []).filter(ca => isKeyOf(crl.authorityKey, ca.facts))
    if (named.length > 0 && !named.some(ca => this.#revocation?.isSignedBy(crl, ca))) {
      throw cannotUse('crl', 'it bears the name of a certificate in option ca, and not its signature')
    }
  }
}

function readCas(option: unknown): PathCertificate[] {
  const cas = pemTexts('ca', option).flatMap(text => {
    // Its additions say what it is trusted for, and Node does not tell them.
    if (text.includes('BEGIN TRUSTED CERTIFICATE')) throw cannotUse('ca', 'it holds a TRUSTED CERTIFICATE')
    return read(text)
  })
  if (cas.length === 0) throw cannotUse('ca', 'it holds no certificate')
  if (cas.some(({ facts }) => facts.hasNameConstraints)) {
    throw cannotUse('ca', 'a certificate has name constraints, which live connections can not be checked for')
  }
  return cas
}

function read(pem: string): PathCertificate[] {
  try {
    return certificatesIn(pem).map(certificate => new PathCertificate(certificate))
  } catch {
    throw cannotUse('ca', 'a certificate can not be read')
  }
}

/** Before Node 22.15 nothing tells the certificates of NODE_EXTRA_CA_CERTS. */
function rootsOfNode(): PathCertificate[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] }
  const pems = getCACertificates?.('default') ?? tls.rootCertificates
  return pems.map(pem => new PathCertificate(new X509Certificate(pem)))
}

/** In the order of the option, each once. */
function bySubject(all: readonly PathCertificate[]): ReadonlyMap<string, readonly PathCertificate[]> {
  const map = new Map<string, PathCertificate[]>()
  for (const certificate of all) {
    const same = map.get(certificate.facts.subject)
    if (same === undefined) map.set(certificate.facts.subject, [certificate])
    else if (same.every(({ fingerprint }) => fingerprint !== certificate.fingerprint)) same.push(certificate)
  }
  return map
}
