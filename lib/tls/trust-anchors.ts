import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { chainFailure, dateError, type TrustFailure } from './check-trust'
import { validityOf } from './peer'
import type { RevocationLists } from './revocation-lists'

/** Whom a side trusts, as its credentials were read. */
export interface TrustSources {
  /** Option `ca`; none where it is not set. */
  readonly cas: readonly X509Certificate[]
  /** Option `crl`; null where it is not set. */
  readonly lists: RevocationLists | null
  /** Options with authorities that only a context knows: those in a `pfx`, and Node's roots where `ca` is not set. */
  readonly hidden: object | null
}

/** Methods of a context that Node's own `tls` calls. They are not documented, and there in Node 20 to 26. */
interface Store {
  setCert(pem: string): void
  getIssuer(): Buffer | null | undefined
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/**
 * Looks for a path from the certificate of a client that is connected to one that is trusted now, and for revoked ones on it.
 * A handshake asks more (docs/api.md, Certificates that change).
 */
export class TrustAnchors {
  readonly #trusted: X509Certificate[]
  readonly #lists: RevocationLists | null
  readonly #store: Store | null

  constructor({ cas, lists, hidden }: TrustSources) {
    this.#trusted = [...cas]
    this.#lists = lists
    // At a higher level the store would refuse to be asked about weak keys.
    const context = hidden && createSecureContext({ ...hidden, ciphers: 'DEFAULT@SECLEVEL=0' })
    this.#store = context?.context as Store | null
  }

  /**
   * Why a client is not trusted now; null when it is.
   *
   * @param chain the leaf, then what else is known, in any order: see `peerChain`
   */
  check(chain: readonly X509Certificate[], now: Date): TrustFailure | null {
    const [leaf, ...sent] = chain
    if (leaf === undefined) return { code: 'certificate-required', reason: 'no certificate' }
    const failure = this.#failure(leaf, sent, now.getTime())
    return failure === null ? null : chainFailure(failure)
  }

  #failure(leaf: X509Certificate, sent: readonly X509Certificate[], now: number): string | null {
    const { path, failure } = this.#pathFrom(leaf, sent, now)
    for (const certificate of path) {
      const dates = dateError(validityOf(certificate), now)
      if (dates !== null) return dates
    }
    const revocation = failure === null ? this.#lists?.failure(path, now) : null
    return failure ?? revocation ?? (path.every(isForClients) ? null : 'INVALID_PURPOSE')
  }

  /** Goes from the leaf upwards, and prefers a trusted issuer to one that the peer sent, as OpenSSL does. */
  #pathFrom(
    leaf: X509Certificate,
    sent: readonly X509Certificate[],
    now: number
  ): { readonly path: readonly X509Certificate[]; readonly failure: string | null } {
    const path = [leaf]
    const left = new Set(sent)
    for (let current = leaf; ; ) {
      if (this.#isAnchor(current)) return { path, failure: null }
      const issuer = this.#trustedIssuer(current, now) ?? sentIssuer(current, left, now)
      if (issuer === undefined || path.includes(issuer)) return { path, failure: noIssuer(path) }
      path.push(issuer)
      current = issuer
    }
  }

  /** Only a self-signed certificate ends a path. It need be no CA: a client may stand in `ca` itself. */
  #isAnchor(certificate: X509Certificate): boolean {
    if (!isSelfIssued(certificate)) return false
    const is = (other: X509Certificate) => other.fingerprint256 === certificate.fingerprint256
    return this.#trusted.some(is) || this.#ask(certificate).some(is)
  }

  #trustedIssuer(issued: X509Certificate, now: number): X509Certificate | undefined {
    return bestIssuer(issued, this.#trusted, now) ?? bestIssuer(issued, this.#ask(issued), now)
  }

  /** The issuer of a certificate in the context's store: Node looks it up, for OCSP, when a certificate is set. */
  #ask(issued: X509Certificate): readonly X509Certificate[] {
    let der: Buffer | null | undefined
    try {
      this.#store?.setCert(issued.toString())
      der = this.#store?.getIssuer()
    } catch {
      // Node takes no kind of key that TLS does not have.
    }
    if (!der) return []
    const issuer = new X509Certificate(der)
    this.#trusted.push(issuer)
    return [issuer]
  }
}

/** It tries each certificate once, so that a hostile set costs no more than its length. */
function sentIssuer(
  issued: X509Certificate,
  left: Set<X509Certificate>,
  now: number
): X509Certificate | undefined {
  const named = [...left].filter(candidate => issued.checkIssued(candidate))
  for (const candidate of named) left.delete(candidate)
  return bestIssuer(issued, named, now)
}

/** @returns the first issuer that is within its dates, else the first */
function bestIssuer(
  issued: X509Certificate,
  candidates: readonly X509Certificate[],
  now: number
): X509Certificate | undefined {
  const issuers = candidates.filter(candidate => hasSigned(candidate, issued))
  return issuers.find(issuer => dateError(validityOf(issuer), now) === null) ?? issuers[0]
}

/** The fingerprint of who has signed a certificate: with it a second check costs a tenth of the first. */
const signers = new WeakMap<X509Certificate, string>()

function hasSigned(issuer: X509Certificate, issued: X509Certificate): boolean {
  const known = signers.get(issued)
  if (known === issuer.fingerprint256) return true
  // checkIssued() compares names, key identifiers and the issuer's key usage; verify() checks the signature.
  if (!issued.checkIssued(issuer) || !issued.verify(issuer.publicKey)) return false
  signers.set(issued, issuer.fingerprint256)
  return true
}

/** True for the certificate of a TLS client and for a CA of one. Node calls the extended key usage `keyUsage`. */
function isForClients(certificate: X509Certificate, index: number): boolean {
  const usage = certificate.keyUsage as readonly string[] | undefined
  return (usage === undefined || usage.includes(CLIENT_AUTH)) && (index === 0 || certificate.ca)
}

function isSelfIssued({ subject, issuer }: X509Certificate): boolean {
  return subject === issuer
}

function noIssuer(path: readonly X509Certificate[]): string {
  const isSelfSigned = isSelfIssued(path.at(-1) as X509Certificate)
  if (path.length === 1) {
    return isSelfSigned ? 'DEPTH_ZERO_SELF_SIGNED_CERT' : 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  }
  return isSelfSigned ? 'SELF_SIGNED_CERT_IN_CHAIN' : 'UNABLE_TO_GET_ISSUER_CERT'
}
