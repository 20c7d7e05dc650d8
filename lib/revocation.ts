import { may } from './certificate-checks'
import { KEY_USAGE } from './certificate-facts'
import { isKeyOf, type PathCertificate } from './certificate-path'
import { type Crl, isSignedBy } from './crl'

/** A list, and the certificate of the path whose key should have signed it. */
interface Match {
  readonly crl: Crl
  readonly by: PathCertificate
  readonly score: number
}

/**
 * Option `crl`, as Node sets it up (X509_V_FLAG_CRL_CHECK with CRL_CHECK_ALL): every certificate of the path has to
 * be covered by a valid list of its issuer, the root by its own; without one it is refused.
 */
export class Revocation {
  readonly #byIssuer = new Map<string, Crl[]>()
  readonly #verdicts = new Map<Crl, Map<string, boolean>>()

  constructor(crls: readonly Crl[]) {
    for (const crl of crls) {
      this.#byIssuer.set(crl.issuerName, [...(this.#byIssuer.get(crl.issuerName) ?? []), crl])
      this.#verdicts.set(crl, new Map())
    }
  }

  /** What the lists say against a path, in OpenSSL's words and order (check_cert in x509_vfy.c). */
  *errors(certificates: readonly PathCertificate[], now: number): Generator<string> {
    for (const [index, { facts }] of certificates.entries()) {
      const match = this.#best(certificates, index, now)
      if (match === null) {
        yield 'UNABLE_TO_GET_CRL'
        continue
      }
      const { crl, by } = match
      if (!may(by, KEY_USAGE.crlSign)) yield 'KEYUSAGE_NO_CRL_SIGN'
      const dates = dateError(crl, now)
      if (dates !== null) yield dates
      if (!this.isSignedBy(crl, by)) yield 'CRL_SIGNATURE_FAILURE'
      if (crl.revoked.has(facts.serialNumber)) yield 'CERT_REVOKED'
    }
  }

  /** Once per list and issuer. */
  isSignedBy(crl: Crl, { certificate, fingerprint }: PathCertificate): boolean {
    const verdicts = this.#verdicts.get(crl) as Map<string, boolean>
    const known = verdicts.get(fingerprint)
    if (known !== undefined) return known
    const isSigned = isSignedBy(crl, certificate)
    verdicts.set(fingerprint, isSigned)
    return isSigned
  }

  /** One within its dates before others, then one of the certificate's own issuer, then the newest. */
  #best(certificates: readonly PathCertificate[], index: number, now: number): Match | null {
    let best: Match | null = null
    const { issuer } = (certificates[index] as PathCertificate).facts
    for (const crl of this.#byIssuer.get(issuer) ?? []) {
      // The last has no issuer but itself.
      const first = Math.min(index + 1, certificates.length - 1)
      const at = certificates.findIndex(
        ({ facts }, i) =>
          i >= first && (i === first || facts.subject === issuer) && isKeyOf(crl.authorityKey, facts)
      )
      const by = certificates[at]
      if (by === undefined) continue
      const score = (dateError(crl, now) === null ? 2 : 0) + (at === first ? 1 : 0)
      const isBetter = best === null || score > best.score || (score === best.score && isNewer(crl, best.crl))
      if (isBetter) best = { crl, by, score }
    }
    return best
  }
}

function isNewer(one: Crl, other: Crl): boolean {
  return one.thisUpdate > other.thisUpdate
}

function dateError({ thisUpdate, nextUpdate }: Crl, now: number): string | null {
  if (!(thisUpdate.getTime() <= now)) return 'CRL_NOT_YET_VALID'
  return nextUpdate === null || now < nextUpdate.getTime() ? null : 'CRL_HAS_EXPIRED'
}
