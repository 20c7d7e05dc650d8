import type { X509Certificate } from 'node:crypto'
import { certificateFacts } from './certificate-facts'
import { isSignatureValid, readSignatureAlgorithm, type SignatureAlgorithm } from './crl-signature'
import { DerError, DerReader, TAG } from './der'
import { readName } from './der-name'
import { cannotUse, pemTexts } from './pem-option'
import { type AuthorityKey, type Extension, OID, readAuthorityKey, readExtensions } from './x509-extensions'

/** A certificate revocation list (RFC 5280, 5): complete, of one issuer, for all its certificates. */
export interface Crl {
  /** The issuer's name in DER. */
  readonly issuer: Buffer
  /** The same as `readName` compares it. */
  readonly issuerName: string
  readonly thisUpdate: Date
  /** Null: it holds for ever. RFC 5280 forbids that; OpenSSL does not. */
  readonly nextUpdate: Date | null
  /** Serial numbers in upper-case hex, as `X509Certificate.serialNumber` has them. */
  readonly revoked: ReadonlySet<string>
  readonly authorityKey: AuthorityKey | null
  readonly algorithm: SignatureAlgorithm
  /** The bytes under the signature. */
  readonly signed: Buffer
  readonly signature: Buffer
}

/** The longest list that is read, in DER: 300,000 to 600,000 entries, which take a second or two. */
export const MAX_CRL_LENGTH = 16 * 1024 * 1024

const BEGIN = '-----BEGIN X509 CRL-----'
const END = '-----END X509 CRL-----'

/** `removeFromCRL`, which only a delta CRL can say. */
const REMOVE = '08'

/**
 * Reads the lists of option `crl`. What it does not understand it refuses: delta and indirect lists, lists of only
 * some certificates or reasons, critical extensions it does not know.
 *
 * A PEM holds one list, no more: of several, Node reads the first and leaves out the others without a word.
 *
 * @throws TokenError `ERR_OPTION`
 */
export function readCrls(pem: string | NodeJS.ArrayBufferView | readonly unknown[]): Crl[] {
  return pemTexts('crl', pem).map(text => {
    try {
      return readCrl(derOf(text))
    } catch (error) {
      if (error instanceof DerError) throw cannotUse('crl', error.message)
      throw error
    }
  })
}

/** Whether the list bears this CA's name, and the signature of its key. */
export function isSignedBy(crl: Crl, ca: X509Certificate): boolean {
  try {
    if (certificateFacts(ca.raw).subject !== crl.issuerName) return false
  } catch {
    return false
  }
  return isSignatureValid(crl.algorithm, ca.publicKey, crl.signed, crl.signature)
}

function derOf(text: string): Buffer {
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END, begin)
  if (begin < 0 || end < 0) throw new DerError('it holds no list (PEM, X509 CRL)')
  if (text.includes(BEGIN, end))
    throw new DerError('a text holds several lists: give each as one of an array')
  const base64 = text.slice(begin + BEGIN.length, end).replace(/\s+/g, '')
  if (base64.length > (MAX_CRL_LENGTH / 3) * 4)
    throw new DerError(`it is longer than ${MAX_CRL_LENGTH} bytes`)
  const der = Buffer.from(base64, 'base64')
  // Buffer leaves out what is not base64.
  if (der.toString('base64') !== base64) throw new DerError('its base64 is broken')
  return der
}

function readCrl(der: Buffer): Crl {
  const file = new DerReader(der)
  const list = file.enter(TAG.sequence)
  file.expectEnd()
  const signed = list.readWhole(TAG.sequence)
  const algorithmBytes = list.readWhole(TAG.sequence)
  const bits = list.read(TAG.bitString)
  list.expectEnd()
  if (bits[0] !== 0) throw new DerError('its signature is not whole bytes')

  const tbs = new DerReader(signed).enter(TAG.sequence)
  const version = tbs.isNext(TAG.integer) ? tbs.readInteger() : '00'
  if (version !== '00' && version !== '01') throw new DerError('its version is unknown')
  if (!tbs.readWhole(TAG.sequence).equals(algorithmBytes)) {
    throw new DerError('it names two signature algorithms')
  }
  const algorithm = readSignatureAlgorithm(new DerReader(algorithmBytes).enter(TAG.sequence))
  const issuer = tbs.readWhole(TAG.sequence)
  const thisUpdate = new Date(tbs.readTime())
  const hasNext = tbs.isNext(TAG.utcTime) || tbs.isNext(TAG.generalizedTime)
  const nextUpdate = hasNext ? new Date(tbs.readTime()) : null
  const revoked = tbs.isNext(TAG.sequence) ? readEntries(tbs.enter(TAG.sequence)) : new Set<string>()
  const extensions = readListExtensions(tbs)
  tbs.expectEnd()
  if (version === '00' && extensions.size > 0) throw new DerError('it is of version 1 and has extensions')
  return Object.freeze({
    issuer,
    issuerName: readName(new DerReader(issuer)),
    thisUpdate,
    nextUpdate,
    revoked,
    authorityKey: readAuthorityKey(extensions.get(OID.authorityKeyId)),
    algorithm,
    signed,
    signature: bits.subarray(1)
  })
}

function readEntries(entries: DerReader): Set<string> {
  const revoked = new Set<string>()
  while (!entries.isAtEnd) {
    const entry = entries.enter(TAG.sequence)
    revoked.add(entry.readInteger())
    entry.readTime()
    if (!entry.isAtEnd) checkEntryExtensions(readExtensions(entry))
    entry.expectEnd()
  }
  return revoked
}

function checkEntryExtensions(extensions: ReadonlyMap<string, Extension>): void {
  if (extensions.has(OID.certificateIssuer)) throw new DerError('it is an indirect list')
  refuseCritical(extensions, 'an entry')
  const reason = extensions.get(OID.reasonCode)
  if (reason === undefined) return
  const reader = new DerReader(reason.value)
  const code = reader.readInteger(TAG.enumerated)
  reader.expectEnd()
  if (code === REMOVE) throw new DerError('an entry takes a revocation back')
}

function readListExtensions(tbs: DerReader): ReadonlyMap<string, Extension> {
  if (!tbs.isNext(0xa0)) return new Map()
  const outer = tbs.enter(0xa0)
  const extensions = readExtensions(outer)
  outer.expectEnd()
  if (extensions.has(OID.deltaCrlIndicator)) throw new DerError('it is a delta list')
  if (extensions.has(OID.issuingDistributionPoint))
    throw new DerError('it is a list of only some certificates')
  refuseCritical(extensions, 'it')
  return extensions
}

/** Of the rest, only the authority's key may be critical: it is the only one that is looked at. */
function refuseCritical(extensions: ReadonlyMap<string, Extension>, what: string): void {
  for (const { oid, isCritical } of extensions.values()) {
    if (isCritical && oid !== OID.authorityKeyId && oid !== OID.reasonCode) {
      throw new DerError(`${what} has the critical extension ${oid}, which is not supported`)
    }
  }
}
