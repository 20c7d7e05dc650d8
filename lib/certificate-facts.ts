import { DerReader, oidToString, TAG } from './der'
import { readName } from './der-name'
import { type AuthorityKey, type Extension, OID, readAuthorityKey, readExtensions } from './x509-extensions'

/** What a path through certificates depends on, and Node's X509Certificate tells slowly or not at all. */
export interface CertificateFacts {
  /** Names as `readName` compares them. */
  readonly subject: string
  readonly issuer: string
  readonly serialNumber: string
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  readonly isVersion1: boolean
  readonly subjectKeyId: string | null
  readonly authorityKey: AuthorityKey | null
  /** Null where the extension is missing. */
  readonly basicConstraints: { readonly isCa: boolean; readonly pathLength: number } | null
  /** Bit 0 of the extension (digitalSignature) is 0x8000. Null where it is missing. */
  readonly keyUsage: number | null
  readonly extendedKeyUsage: readonly string[] | null
  readonly hasNameConstraints: boolean
  /** A critical extension that OpenSSL does not know either. */
  readonly hasUnknownCritical: boolean
}

export const KEY_USAGE = { digitalSignature: 0x8000, keyAgreement: 0x0800, certSign: 0x0400, crlSign: 0x0200 }

/** Those that OpenSSL takes when they are critical (X509_supported_extension). */
const KNOWN: ReadonlySet<string> = new Set([
  ...['15', '17', '19', '30', '31', '32', '33', '36', '37', '54'].map(last => `2.5.29.${last}`),
  '1.3.6.1.5.5.7.1.7',
  '1.3.6.1.5.5.7.1.8',
  '1.3.6.1.5.5.7.1.14',
  '1.3.6.1.5.5.7.48.1.5',
  '2.16.840.1.113730.1.1'
])

/** Reads a certificate (RFC 5280, 4.1) in DER. @throws DerError */
export function certificateFacts(der: Buffer): CertificateFacts {
  const tbs = new DerReader(der).enter(TAG.sequence).enter(TAG.sequence)
  const version = tbs.isNext(0xa0) ? tbs.enter(0xa0).readInteger() : '00'
  const serialNumber = tbs.readInteger()
  tbs.read(TAG.sequence)
  const issuer = readName(tbs)
  const validity = tbs.enter(TAG.sequence)
  const notBefore = validity.readTime()
  const notAfter = validity.readTime()
  const subject = readName(tbs)
  tbs.read(TAG.sequence)
  for (const uniqueId of [0x81, 0x82]) if (tbs.isNext(uniqueId)) tbs.read(uniqueId)
  const extensions = tbs.isNext(0xa3) ? readExtensions(tbs.enter(0xa3)) : new Map<string, Extension>()
  tbs.expectEnd()
  return {
    subject,
    issuer,
    serialNumber,
    notBefore,
    notAfter,
    isVersion1: version === '00',
    subjectKeyId: value(extensions, OID.subjectKeyId, r => r.read(TAG.octetString).toString('hex')),
    authorityKey: readAuthorityKey(extensions.get(OID.authorityKeyId)),
    basicConstraints: value(extensions, OID.basicConstraints, readBasicConstraints),
    keyUsage: value(extensions, OID.keyUsage, readKeyUsage),
    extendedKeyUsage: value(extensions, OID.extendedKeyUsage, readOids),
    hasNameConstraints: extensions.has(OID.nameConstraints),
    hasUnknownCritical: [...extensions.values()].some(({ oid, isCritical }) => isCritical && !KNOWN.has(oid))
  }
}

function value<T>(
  extensions: ReadonlyMap<string, Extension>,
  oid: string,
  read: (reader: DerReader) => T
): T | null {
  const extension = extensions.get(oid)
  if (extension === undefined) return null
  const reader = new DerReader(extension.value)
  const result = read(reader)
  reader.expectEnd()
  return result
}

function readBasicConstraints(outer: DerReader): CertificateFacts['basicConstraints'] {
  const reader = outer.enter(TAG.sequence)
  const isCa = reader.readTrue()
  const pathLength = reader.isNext(TAG.integer) ? Number.parseInt(reader.readInteger(), 16) : Infinity
  reader.expectEnd()
  return { isCa, pathLength }
}

function readKeyUsage(reader: DerReader): number {
  const [, high = 0, low = 0] = reader.read(TAG.bitString)
  return high * 256 + low
}

function readOids(outer: DerReader): string[] {
  const reader = outer.enter(TAG.sequence)
  const oids: string[] = []
  while (!reader.isAtEnd) oids.push(oidToString(reader.read(TAG.oid)))
  return oids
}
