import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { toPem } from '../../lib/tls/pem'

/** What a certificate is to say; it says nothing of itself but this. */
export interface CertificateDraft {
  readonly name: string
  readonly key: KeyPair
  /** Default: itself. */
  readonly by?: Maker
  readonly days?: readonly [from: number, to: number]
  readonly serial?: number
  /** Default: no extension. `Infinity`: a CA without a limit; -1: CA:FALSE. */
  readonly pathLength?: number
  /** The bytes of the BIT STRING, its count of unused bits first, in hex. */
  readonly keyUsage?: string
  readonly extendedKeyUsage?: readonly string[]
  /** More extensions, each in DER. */
  readonly more?: readonly Buffer[]
  /** Tag of the name's string. Default: 12 (UTF8String). */
  readonly nameTag?: number
}

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface CrlDraft {
  readonly by: Maker
  readonly key?: KeyPair
  readonly revoked?: readonly number[]
  /** Without the second: no date at which the next list comes. */
  readonly days?: readonly [from: number, to?: number]
}

/** A certificate with its key. */
export interface Maker {
  readonly cert: string
  readonly key: string
  readonly pair: KeyPair
  readonly name: Buffer
}

export const CERT_SIGN = '0106'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

let serials = 1000

export function ecKey(namedCurve = 'P-256'): KeyPair {
  return generateKeyPairSync('ec', { namedCurve })
}

/** Writes a certificate as it is told, also one that no authority should: @token-server/certs makes good ones. */
export function makeCertificate(draft: CertificateDraft): Maker {
  const { name, key, by, days = [-1, 30], serial = serials++, pathLength } = draft
  const subject = nameOf(name, draft.nameTag)
  const signer = by?.pair ?? key
  const extensions = [...(draft.more ?? [])]
  if (pathLength !== undefined) {
    const limit = pathLength >= 0 && pathLength < Infinity ? [integer(pathLength)] : []
    extensions.push(extension('2.5.29.19', seq(...(pathLength >= 0 ? [TRUE] : []), ...limit), true))
  }
  if (draft.keyUsage !== undefined) {
    extensions.push(extension('2.5.29.15', tlv(3, Buffer.from(draft.keyUsage, 'hex')), true))
  }
  if (draft.extendedKeyUsage !== undefined) {
    extensions.push(extension('2.5.29.37', seq(...draft.extendedKeyUsage.map(oid))))
  }
  extensions.push(extension('2.5.29.14', tlv(4, keyId(key))))
  extensions.push(extension('2.5.29.35', seq(tlv(0x80, keyId(signer)))))
  const tbs = seq(
    tlv(0xa0, integer(2)),
    integer(serial),
    algorithmOf(signer),
    by?.name ?? subject,
    seq(...days.map(time)),
    subject,
    key.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, seq(...extensions))
  )
  return {
    cert: toPem('CERTIFICATE', signed(tbs, signer)),
    key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    pair: key,
    name: subject
  }
}

export function makeCrl({ by, key = by.pair, revoked = [], days = [-1, 30] }: CrlDraft): string {
  const entries = revoked.map(serial => seq(integer(serial), time(days[0])))
  const tbs = seq(
    integer(1),
    algorithmOf(key),
    by.name,
    ...days.map(day => time(day as number)),
    ...(entries.length > 0 ? [tlv(0x30, Buffer.concat(entries))] : []),
    tlv(0xa0, seq(extension('2.5.29.35', seq(tlv(0x80, keyId(by.pair))))))
  )
  return toPem('X509 CRL', signed(tbs, key))
}

export function tlv(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(contents)
  const { length } = value
  const hex = length.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 + bytes.length, ...bytes]
  return Buffer.concat([Buffer.from(head), value])
}

export function seq(...items: readonly Uint8Array[]): Buffer {
  return tlv(0x30, ...items)
}

const TRUE = Buffer.from([1, 1, 255])

function integer(value: number): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return tlv(2, (bytes[0] as number) < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes]))
}

function oid(dotted: string): Buffer {
  const [a = 0, b = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [a * 40 + b, ...rest].flatMap(part => {
    const base128 = [part & 0x7f]
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) {
      base128.unshift((left & 0x7f) | 0x80)
    }
    return base128
  })
  return tlv(6, Buffer.from(bytes))
}

export function extension(id: string, value: Uint8Array, isCritical = false): Buffer {
  return seq(oid(id), ...(isCritical ? [TRUE] : []), tlv(4, value))
}

export function nameOf(name: string, tag = 12): Buffer {
  return seq(tlv(0x31, seq(oid('2.5.4.3'), tlv(tag, Buffer.from(name)))))
}

/** Days from now, as a GeneralizedTime. */
function time(days: number): Buffer {
  const text = new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-T:]|\.\d+/g, '')
  const year = Number(text.slice(0, 4))
  return year < 2050 ? tlv(0x17, Buffer.from(text.slice(2))) : tlv(0x18, Buffer.from(text))
}

function keyId(key: KeyPair): Buffer {
  return createHash('sha1')
    .update(key.publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

function algorithmOf({ privateKey }: KeyPair): Buffer {
  return privateKey.asymmetricKeyType === 'ec'
    ? seq(oid('1.2.840.10045.4.3.2'))
    : seq(oid('1.2.840.113549.1.1.11'), tlv(5))
}

function signed(tbs: Buffer, key: KeyPair): Buffer {
  return seq(tbs, algorithmOf(key), tlv(3, Buffer.from([0]), sign('sha256', tbs, key.privateKey)))
}
