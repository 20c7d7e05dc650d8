import { DerError, DerReader, oidToString, TAG } from './der'
import { readName } from './der-name'

/** An extension of a certificate, of a list or of its entry. */
export interface Extension {
  readonly oid: string
  readonly isCritical: boolean
  /** What stands in its OCTET STRING. */
  readonly value: Buffer
}

/** Which key, and which certificate of it, signed something (RFC 5280, 4.2.1.1). */
export interface AuthorityKey {
  readonly keyId: string | null
  readonly issuer: string | null
  readonly serialNumber: string | null
}

export const OID = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  reasonCode: '2.5.29.21',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37'
} as const

/** Reads a SEQUENCE of extensions; each may be there once (RFC 5280, 4.2). */
export function readExtensions(reader: DerReader): Map<string, Extension> {
  const list = reader.enter(TAG.sequence)
  const found = new Map<string, Extension>()
  while (!list.isAtEnd) {
    const extension = list.enter(TAG.sequence)
    const oid = oidToString(extension.read(TAG.oid))
    const isCritical = extension.readTrue()
    const value = extension.read(TAG.octetString)
    extension.expectEnd()
    if (found.has(oid)) throw new DerError(`extension ${oid} is there twice`)
    found.set(oid, { oid, isCritical, value })
  }
  return found
}

export function readAuthorityKey(extension: Extension | undefined): AuthorityKey | null {
  if (extension === undefined) return null
  const outer = new DerReader(extension.value)
  const reader = outer.enter(TAG.sequence)
  outer.expectEnd()
  const keyId = reader.isNext(0x80) ? reader.read(0x80).toString('hex') : null
  const issuer = reader.isNext(0xa1) ? readDirectoryName(reader.enter(0xa1)) : null
  const serialNumber = reader.isNext(0x82) ? reader.readInteger(0x82) : null
  reader.expectEnd()
  return { keyId, issuer, serialNumber }
}

/** The first name that is a distinguished one, as OpenSSL takes it. */
function readDirectoryName(names: DerReader): string | null {
  while (!names.isAtEnd) {
    if (names.isNext(0xa4)) return readName(names.enter(0xa4))
    names.readAny()
  }
  return null
}
