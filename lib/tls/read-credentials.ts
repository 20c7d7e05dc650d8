import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { cannotUse } from '../options/checks'
import { reasonOf, refusedWith, secureContext } from './context'
import { fingerprintBytes } from './peer'
import { certificatesIn, crlsIn, labelsIn, listed, looksLike, pemText, pemTexts, toPem } from './pem'
import { RevocationLists } from './revocation-lists'
import type { TrustSources } from './trust-anchors'

/** The options that say who this side is, and whom it trusts. */
export type Credentials = Pick<SecureContextOptions, 'key' | 'cert' | 'ca' | 'crl' | 'pfx' | 'passphrase'>

/** What the credentials of a side say, read once for Node and for this library. */
export interface ReadCredentials<T> {
  /** The options for Node: its `cert`, `ca` and `crl` hold what was found in them, written anew. */
  readonly options: T
  readonly context: SecureContext
  /** The certificates that may be presented: there are several for keys of several types. */
  readonly own: readonly X509Certificate[]
  /** SHA-256 of each of them: 32 bytes, as a peer's HELLO carries it. */
  readonly fingerprints: readonly Buffer[]
  readonly trust: TrustSources
}

/**
 * Reads the credentials of a side, and checks that each key has its certificate.
 *
 * Node reads less than it is given and says nothing: no certificates that are joined without a newline, and the first of
 * several lists in one text. It takes a key without its certificate and a certificate without its key, which fail at the first
 * handshake, and a `ca` without certificates, which trusts nobody, or, if it is empty, the whole web.
 *
 * @throws TokenError `ERR_OPTION`; its message and its cause hold nothing of a key
 */
export function readCredentials<T extends SecureContextOptions>(options: T): ReadCredentials<T> {
  const certs = pemTexts('cert', options.cert).map(text => certificatesIn('cert', text))
  const leaves = certs.map(([leaf]) => leaf as X509Certificate)
  // Nobody can compare the key of an engine.
  if (options.privateKeyIdentifier === undefined) checkPairs(options, certs)
  for (const pfx of listed(options.pfx)) leaves.push(leafOfPfx(pfx, options.passphrase))
  const cas = readCas(options.ca)
  const crls = readCrls(options.crl)
  const read = { ...options }
  if (certs.length > 0) read.cert = certs.map(chain => chain.map(String).join(''))
  if (options.ca !== undefined) read.ca = cas.map(String)
  if (crls !== null) read.crl = crls.map(der => toPem('X509 CRL', der))
  const context = secureContext(read)
  const { ca, pfx, passphrase } = read
  const isHidden = ca === undefined || listed(pfx).length > 0
  return {
    options: read,
    context,
    own: leaves,
    fingerprints: leaves.map(leaf => fingerprintBytes(leaf.fingerprint256)),
    trust: {
      cas,
      lists: crls && new RevocationLists(crls),
      hidden: isHidden ? { ca, pfx, passphrase } : null
    }
  }
}

function readCas(option: unknown): X509Certificate[] {
  if (option === undefined) return []
  const texts = pemTexts('ca', option)
  if (texts.length === 0) throw cannotUse('ca', 'it holds no certificate')
  return texts.flatMap(text => {
    // It says what it is trusted for, and that would be lost.
    if (labelsIn(text).includes('TRUSTED CERTIFICATE')) throw cannotUse('ca', 'it holds TRUSTED CERTIFICATE')
    return certificatesIn('ca', text)
  })
}

/** @returns null where the option is not set */
function readCrls(option: unknown): Buffer[] | null {
  if (option === undefined || option === null) return null
  const texts = pemTexts('crl', option)
  if (texts.length === 0) throw cannotUse('crl', 'it holds no list, so that nobody would be looked up')
  return texts.flatMap(text => crlsIn('crl', text))
}

function checkPairs(options: SecureContextOptions, certs: readonly (readonly X509Certificate[])[]): void {
  const keys = listed(options.key).map(key => readKey(key, options.passphrase))
  const fits = (certificate: X509Certificate) => keys.some(key => certificate.checkPrivateKey(key))
  for (const chain of certs) {
    if (keys.length === 0) throw cannotUse('cert', 'it needs its key, and option key is missing')
    if (fits(chain[0] as X509Certificate)) continue
    const at = chain.findIndex(fits)
    if (at > 0)
      throw cannotUse('cert', `its first certificate must be the own one; the key fits number ${at + 1}`)
    const isPartOfAChain = certs.some(([leaf]) => fits(leaf as X509Certificate))
    const hint = isPartOfAChain ? ' (a chain is one text, with the own certificate first, and no list)' : ''
    throw cannotUse('cert', `no key in option key fits it${hint}`)
  }
  for (const key of keys) {
    if (!certs.some(([leaf]) => leaf?.checkPrivateKey(key))) {
      throw cannotUse('key', 'no certificate in option cert fits it')
    }
  }
}

function readKey(key: unknown, common: string | undefined): KeyObject {
  const isPair = typeof key === 'object' && key !== null && 'pem' in key
  const pem = isPair ? key.pem : key
  const own = isPair && 'passphrase' in key ? (key.passphrase as string | undefined) : undefined
  const passphrase = own ?? common
  const text = pemText('key', pem)
  try {
    return createPrivateKey(passphrase === undefined ? text : { key: text, format: 'pem', passphrase })
  } catch (error) {
    throw cannotUse('key', whyNoKey(text, passphrase, error))
  }
}

/** Quotes no byte of the key, and no error of Node, which quotes a wrong argument. */
function whyNoKey(text: string, passphrase: unknown, error: unknown): string {
  const labels = labelsIn(text)
  if (!labels.some(label => label.endsWith('PRIVATE KEY'))) {
    return `it holds no private key (PEM): ${looksLike(text)}`
  }
  if (labels.includes('OPENSSH PRIVATE KEY')) return "it is in OpenSSH's own format; PEM (PKCS #8) is needed"
  if (text.includes('\\n')) return 'it holds \\n as two characters in the place of newlines'
  if (!/PRIVATE KEY-----\s*?\r?\n\S/.test(text)) return 'its lines are joined or indented'
  if (/ENCRYPTED/.test(text)) {
    if (passphrase === undefined || passphrase === '')
      return 'it is encrypted, and option passphrase is missing'
    if (reasonOf(error) === 'unsupported') return 'its kind of encryption is not supported'
    return 'it is encrypted, and option passphrase does not open it'
  }
  return refusedWith(error)
}

/** Only a context of Node reads PKCS #12: this asks one which certificate it would present. */
function leafOfPfx(pfx: unknown, common: string | undefined): X509Certificate {
  const isPair = typeof pfx === 'object' && pfx !== null && 'buf' in pfx
  const passphrase =
    (isPair && 'passphrase' in pfx ? (pfx.passphrase as string | undefined) : undefined) ?? common
  let der: Buffer | null | undefined
  try {
    const options = { pfx: [pfx], ...(passphrase !== undefined && { passphrase }) } as SecureContextOptions
    const { context } = createSecureContext(options) as { context: { getCertificate?(): Buffer | null } }
    der = context.getCertificate?.()
  } catch (error) {
    throw cannotUse('pfx', whyNoPfx(isPair ? pfx.buf : pfx, passphrase, error))
  }
  if (!der) throw cannotUse('pfx', 'it holds no certificate')
  return new X509Certificate(der)
}

function whyNoPfx(buf: unknown, passphrase: unknown, error: unknown): string {
  const text = pemText('pfx', buf)
  if (labelsIn(text).length > 0) return `it is PEM and no PKCS #12: ${looksLike(text)}`
  if (!text.startsWith('0')) return `it is no PKCS #12: ${looksLike(text)}`
  if (text.includes('\ufffd')) return 'it is a string and no Buffer, so that its bytes are lost'
  const reason = reasonOf(error)
  if (reason === 'mac verify failure') {
    return passphrase === undefined || passphrase === ''
      ? 'it needs a passphrase, and option passphrase is missing'
      : 'option passphrase does not open it'
  }
  if (/private key/i.test(reason)) return 'it holds no private key'
  if (/unsupported/i.test(reason))
    return 'its kind of encryption is not supported (RC2, of an older program?)'
  return refusedWith(error)
}
