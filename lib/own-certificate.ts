import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { TokenError } from './errors'
import { certificatesIn } from './pem'
import { codeOf } from './socket-error'

/** A certificate that this side presents. */
export interface OwnCertificate {
  readonly certificate: X509Certificate
  /** SHA-256 of the DER: 32 bytes, as a peer's HELLO carries it. */
  readonly fingerprint: Buffer
  readonly validTo: Date
}

/** The options that say who this side is, and whom it trusts. */
export type Credentials = Pick<SecureContextOptions, 'key' | 'cert' | 'ca' | 'crl' | 'pfx' | 'passphrase'>

type Name = keyof Credentials

/**
 * The certificates that this side may present: the first of each `cert` and that of each `pfx`. There are several
 * when it has keys of several types; the handshake chooses among them.
 *
 * @returns none when neither `cert` nor `pfx` is set
 * @throws TokenError `ERR_OPTION` when one can't be read
 */
export function ownCertificates(options: Credentials): readonly OwnCertificate[] {
  const leaves = list(options.cert).map(pem => readCertificates('cert', pem)[0] as X509Certificate)
  for (const pfx of list(options.pfx)) leaves.push(leafOfPfx(pfx, options.passphrase))
  return leaves.map(certificate =>
    Object.freeze({
      certificate,
      fingerprint: Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex'),
      validTo: new Date(certificate.validTo)
    })
  )
}

/**
 * Checks that each key has its certificate, and that everything can be read.
 *
 * Node takes a key without a certificate, a certificate without a key and a `ca` that holds no certificate: the
 * first two show at the first handshake, the last trusts nobody, or, if it is the empty string, the whole web.
 *
 * @throws TokenError `ERR_OPTION`; its message and its cause hold nothing of a key
 */
export function validatePair(options: Credentials): void {
  const keys = list(options.key).map(key => readKey(key, options.passphrase))
  const own = list(options.cert).map(pem => readCertificates('cert', pem)[0] as X509Certificate)
  for (const certificate of own) {
    if (!keys.some(key => certificate.checkPrivateKey(key)))
      throw refuse('cert', 'no key in option key fits it')
  }
  for (const key of keys) {
    if (!own.some(certificate => certificate.checkPrivateKey(key))) {
      throw refuse('key', 'no certificate in option cert fits it')
    }
  }
  if (options.ca !== undefined) {
    const cas = list(options.ca)
    if (cas.length === 0) throw refuse('ca', 'it holds no certificate')
    for (const ca of cas) readCertificates('ca', ca)
  }
  attempt('key, cert, ca, crl or pfx', () => createSecureContext(options))
}

function readCertificates(name: Name, pem: unknown): X509Certificate[] {
  const found = attempt(name, () => certificatesIn(textOf(name, pem)))
  if (found.length === 0) throw refuse(name, 'it holds no certificate (PEM)')
  return found
}

function readKey(key: unknown, common: string | undefined): KeyObject {
  const isPair = typeof key === 'object' && key !== null && 'pem' in key
  const pem = isPair ? key.pem : key
  const own = isPair && 'passphrase' in key ? (key.passphrase as string | undefined) : undefined
  const passphrase = own ?? common
  const text = textOf('key', pem)
  return attempt('key', () =>
    createPrivateKey(passphrase === undefined ? text : { key: text, format: 'pem', passphrase })
  )
}

/** Node has no reader for PKCS #12 but its own: this asks the context which certificate it would present. */
function leafOfPfx(pfx: unknown, passphrase: string | undefined): X509Certificate {
  return attempt('pfx', () => {
    const options = { pfx: [pfx] } as SecureContextOptions
    if (passphrase !== undefined) options.passphrase = passphrase
    const { context } = createSecureContext(options) as { context: { getCertificate?(): Buffer | null } }
    const der = context.getCertificate?.()
    if (!der) throw new TypeError('no certificate')
    return new X509Certificate(der)
  })
}

function textOf(name: Name, value: unknown): string {
  if (typeof value === 'string') return value
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
  }
  throw refuse(name, 'it is neither a string nor a Buffer')
}

/** No cause: Node's errors for a wrong argument quote it. */
function attempt<T>(name: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw refuse(name, `Node refuses it with ${codeOf(error)}`)
  }
}

function list(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : [value]
}

function refuse(name: string, why: string): TokenError {
  return new TokenError('ERR_OPTION', `Cannot use option ${name}: ${why}`)
}
