import { KEY_USAGE } from './certificate-facts'
import { dateError, type Path, type PathCertificate } from './certificate-path'

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/**
 * What is wrong with the extensions of a path, in OpenSSL's words and order (check_extensions in x509_vfy.c): each
 * certificate must be good for a TLS client, or for a CA of one; an issuer may stand over that many others.
 */
export function* extensionErrors({ certificates }: Path): Generator<string> {
  let depth = 0
  for (const [index, certificate] of certificates.entries()) {
    const { facts } = certificate
    if (facts.hasUnknownCritical) yield 'UNHANDLED_CRITICAL_EXTENSION'
    if (!isForClients(certificate, index === 0)) yield 'INVALID_PURPOSE'
    if (index === 0) continue
    if (depth > (facts.basicConstraints?.pathLength ?? Infinity)) yield 'PATH_LENGTH_EXCEEDED'
    // A CA's certificate for its own new key does not count.
    if (facts.subject !== facts.issuer) depth++
  }
}

/** Signatures and dates, from the top down (internal_verify in x509_vfy.c). */
export function* signatureErrors({ certificates, failure }: Path, now: number): Generator<string> {
  const [leaf] = certificates
  if (certificates.length === 1 && failure !== null && !leaf?.isSelfSigned)
    yield 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  for (let index = certificates.length - 1; index >= 0; index--) {
    const certificate = certificates[index] as PathCertificate
    const issuer = certificates[index + 1]
    if (issuer !== undefined) {
      if (!may(issuer, KEY_USAGE.certSign)) yield 'KEYUSAGE_NO_CERTSIGN'
      if (!issuer.hasSigned(certificate)) yield 'CERT_SIGNATURE_FAILURE'
    }
    const error = dateError(certificate, now)
    if (error !== null) yield error
  }
}

/** Where the extension is missing, a key may do anything. */
export function may({ facts }: PathCertificate, usage: number): boolean {
  return facts.keyUsage === null || (facts.keyUsage & usage) !== 0
}

/** Besides CA:TRUE OpenSSL takes what has no such extension: roots of version 1, and a key usage that says so. */
function isCa(certificate: PathCertificate): boolean {
  const { basicConstraints, isVersion1, keyUsage } = certificate.facts
  if (!may(certificate, KEY_USAGE.certSign)) return false
  if (basicConstraints !== null) return basicConstraints.isCa
  return keyUsage !== null || (isVersion1 && certificate.isSelfSigned)
}

function isForClients(certificate: PathCertificate, isLeaf: boolean): boolean {
  const { extendedKeyUsage } = certificate.facts
  if (extendedKeyUsage !== null && !extendedKeyUsage.includes(CLIENT_AUTH)) return false
  return isLeaf ? may(certificate, KEY_USAGE.digitalSignature | KEY_USAGE.keyAgreement) : isCa(certificate)
}
