import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

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
  /** Default: both. */
  readonly keyIds?: 'both' | 'none'
  readonly version?: 1 | 3
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
  readonly days?: readonly [from: number, to: number]
  readonly keyIds?: 'both' | 'none'
  readonly entryExtensions?: readonly Buffer[]
  readonly more?: readonly Buffer[]
  readonly algorithm?: { readonly inner: Buffer; readonly outer: Buffer }
  readonly sign?: (tbs: Buffer) => Buffer
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
  const { name, key, by, days = [-1, 30], serial = serials++, pathLength, keyIds = 'both' } = draft
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
  if (keyIds === 'both') {
    extensions.push(extension('2.5.29.14', tlv(4, keyId(key))))
    extensions.push(extension('2.5.29.35', seq(tlv(0x80, keyId(signer)))))
  }
  const isVersion1 = draft.version === 1
  const tbs = seq(
    ...(isVersion1 ? [] : [tlv(0xa0, integer(2))]),
    integer(serial),
    algorithmOf(signer),
    by?.name ?? subject,
    seq(...days.map(time)),
    subject,
    key.publicKey.export({ type: 'spki', format: 'der' }),
    ...(isVersion1 || extensions.length === 0 ? [] : [tlv(0xa3, seq(...extensions))])
  )
  return {
    cert: pem('CERTIFICATE', signed(tbs, signer)),
    key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    pair: key,
    name: subject
  }
}

export function makeCrl(draft: CrlDraft): string {
  return pem('X509 CRL', crlDer(draft))
}

export function crlDer(draft: CrlDraft): Buffer {
  const { by, key = by.pair, revoked = [], days = [-1, 30], keyIds = 'both', more = [] } = draft
  const inner = draft.algorithm?.inner ?? algorithmOf(key)
  const entries = revoked.map(serial =>
    seq(integer(serial), time(days[0]), ...(draft.entryExtensions ? [seq(...draft.entryExtensions)] : []))
  )
  const extensions = [
    ...(keyIds === 'both' ? [extension('2.5.29.35', seq(tlv(0x80, keyId(by.pair))))] : []),
    ...more
  ]
  const tbs = seq(
    integer(1),
    inner,
    by.name,
    ...days.map(time),
    ...(entries.length > 0 ? [tlv(0x30, Buffer.concat(entries))] : []),
    ...(extensions.length > 0 ? [tlv(0xa0, seq(...extensions))] : [])
  )
  if (draft.sign === undefined) return signed(tbs, key)
  const outer = draft.algorithm?.outer ?? inner
  return seq(tbs, outer, tlv(3, Buffer.from([0]), draft.sign(tbs)))
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

export function integer(value: number): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return tlv(2, (bytes[0] as number) < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes]))
}

export function oid(dotted: string): Buffer {
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

export function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

export function nameOf(name: string, tag = 12): Buffer {
  return seq(tlv(0x31, seq(oid('2.5.4.3'), tlv(tag, Buffer.from(name)))))
}

/** Days from now, as a GeneralizedTime. */
export function time(days: number): Buffer {
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
  const type = privateKey.asymmetricKeyType
  if (type === 'ec') return seq(oid('1.2.840.10045.4.3.2'))
  if (type === 'ed25519') return seq(oid('1.3.101.112'))
  return seq(oid('1.2.840.113549.1.1.11'), tlv(5))
}

function signed(tbs: Buffer, { privateKey }: KeyPair): Buffer {
  const hash = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  return seq(
    tbs,
    algorithmOf({ privateKey, publicKey: privateKey }),
    tlv(3, Buffer.from([0]), sign(hash, tbs, privateKey))
  )
}
