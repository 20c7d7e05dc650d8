import { createPrivateKey, webcrypto } from 'node:crypto'
import type { Draft } from './draft'
import {
  AuthorityKeyIdentifierExtension,
  type Extension,
  type Name,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator
} from './x509'

/** ECDSA over P-256 with SHA-256, the only signature this package makes. */
export const signature = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** Who signs. */
export interface Issuer {
  readonly name: Name
  /** The subject key identifier of the issuer's own certificate, in hex. */
  readonly keyId: string
  readonly signingKey: webcrypto.CryptoKey
}

/**
 * The draft's certificate (PEM) under its real subject, signed by the issuer, or by the draft's own key when
 * there is none: the draft's key, dates and extensions, the extensions `added`, both key identifiers (RFC 5280,
 * 4.2.1.1 and 4.2.1.2; `openssl verify -x509_strict` asks for them) and a new serial number of 128 random bits.
 */
export async function signDraft(
  draft: Draft,
  subject: Name,
  issuer?: Issuer,
  added: readonly Extension[] = []
): Promise<string> {
  const { publicKey, extensions, notBefore, notAfter } = new X509Certificate(draft.cert)
  const subjectKey = await SubjectKeyIdentifierExtension.create(publicKey)
  const by = issuer ?? {
    name: subject,
    keyId: subjectKey.keyId,
    signingKey: await importSigningKey(draft.key)
  }
  const cert = await X509CertificateGenerator.create({
    subject,
    issuer: by.name,
    notBefore,
    notAfter,
    publicKey,
    extensions: [...extensions, ...added, subjectKey, new AuthorityKeyIdentifierExtension(by.keyId)],
    signingKey: by.signingKey,
    signingAlgorithm: signature
  })
  return `${cert.toString('pem')}\n`
}

/** A PEM key for signing. @throws when it is no P-256 key. */
export function importSigningKey(key: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' })
  return webcrypto.subtle.importKey('pkcs8', der, signature, false, ['sign'])
}
