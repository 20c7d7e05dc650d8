import { X509Certificate as NodeCertificate } from 'node:crypto'
import { CertsError, reasonOf } from './errors'
import type { CertificateInfo } from './types'
import { SubjectAlternativeNameExtension, X509Certificate } from './x509'

/**
 * What a certificate (PEM) says of itself, whoever signed it.
 * @throws {CertsError} ERR_CERTS_CERTIFICATE when it can't be read.
 */
export function describeCertificate(pem: string): CertificateInfo {
  const { node, cert } = readCertificate(pem)
  const names = cert.getExtension(SubjectAlternativeNameExtension)?.names.items ?? []
  return {
    // Node puts each field on its own line, and escapes line ends inside of one.
    subject: node.subject.split('\n').join(', '),
    names: names.map(({ value }) => value.replace(/\p{C}/gu, '?')),
    fingerprint: node.fingerprint256,
    serialNumber: node.serialNumber,
    authority: node.ca,
    notBefore: cert.notBefore,
    notAfter: cert.notAfter
  }
}

/**
 * Whether the key of `authority` made the signature on `cert` (both PEM); dates and rights are not looked at.
 * @throws {CertsError} ERR_CERTS_CERTIFICATE when one can't be read.
 */
export function isSignedBy(cert: string, authority: string): boolean {
  return readCertificate(cert).node.verify(readCertificate(authority).node.publicKey)
}

/**
 * A certificate (PEM) as Node and as the X.509 library see it.
 * @throws {CertsError} ERR_CERTS_CERTIFICATE
 */
export function readCertificate(pem: string): { node: NodeCertificate; cert: X509Certificate } {
  try {
    const node = new NodeCertificate(pem)
    return { node, cert: new X509Certificate(node.raw) }
  } catch (error) {
    throw new CertsError(
      'ERR_CERTS_CERTIFICATE',
      `Cannot read a certificate: its text is no certificate in PEM (${reasonOf(error)})`,
      { cause: error }
    )
  }
}
