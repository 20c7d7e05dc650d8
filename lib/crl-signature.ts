import { constants, type KeyObject, verify } from 'node:crypto'
import { DerError, type DerReader, oidToString, TAG } from './der'

/** A signature algorithm with its parameters: what `verify` of node:crypto needs. */
export interface SignatureAlgorithm {
  readonly oid: string
  /** Types of keys, in Node's words: else OpenSSL would take the algorithm from the key. */
  readonly keyTypes: readonly string[]
  /** Null where the algorithm has its own. */
  readonly hash: string | null
  /** Of RSA-PSS only. */
  readonly saltLength: number | null
}

const RSA = '1.2.840.113549.1.1.'
const RSA_PSS = `${RSA}10`
const MGF1 = `${RSA}8`
const HASHES: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512'
}

const PLAIN: Readonly<Record<string, readonly [keyType: string, hash: string | null]>> = {
  '1.2.840.10045.4.3.2': ['ec', 'sha256'],
  '1.2.840.10045.4.3.3': ['ec', 'sha384'],
  '1.2.840.10045.4.3.4': ['ec', 'sha512'],
  [`${RSA}11`]: ['rsa', 'sha256'],
  [`${RSA}12`]: ['rsa', 'sha384'],
  [`${RSA}13`]: ['rsa', 'sha512'],
  '1.3.101.112': ['ed25519', null],
  '1.3.101.113': ['ed448', null]
}

/** Reads the contents of an AlgorithmIdentifier. @throws DerError for one that is not known, SHA-1 among them */
export function readSignatureAlgorithm(reader: DerReader): SignatureAlgorithm {
  const oid = oidToString(reader.read(TAG.oid))
  if (oid === RSA_PSS) return readPss(oid, reader)
  const plain = PLAIN[oid]
  if (plain === undefined) throw new DerError(`its signature algorithm ${oid} is not supported`)
  if (plain[0] === 'rsa' && reader.isNext(TAG.null)) reader.read(TAG.null)
  reader.expectEnd()
  return { oid, keyTypes: [plain[0]], hash: plain[1], saltLength: null }
}

export function isSignatureValid(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  signed: Buffer,
  signature: Buffer
): boolean {
  if (!algorithm.keyTypes.includes(String(key.asymmetricKeyType))) return false
  const { hash, saltLength } = algorithm
  try {
    if (saltLength === null) return verify(hash, signed, key, signature)
    return verify(hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature)
  } catch {
    // A key that is restricted to other parameters.
    return false
  }
}

/** RFC 4055, 3.1. Its defaults are all SHA-1, so that everything but the trailer has to be there. */
function readPss(oid: string, outer: DerReader): SignatureAlgorithm {
  const reader = outer.enter(TAG.sequence)
  outer.expectEnd()
  const hash = readHash(reader.enter(0xa0).enter(TAG.sequence))
  const mask = reader.enter(0xa1).enter(TAG.sequence)
  if (oidToString(mask.read(TAG.oid)) !== MGF1 || readHash(mask.enter(TAG.sequence)) !== hash) {
    throw new DerError('its RSA-PSS parameters are not supported')
  }
  const saltLength = reader.isNext(0xa2) ? Number.parseInt(reader.enter(0xa2).readInteger(), 16) : 20
  if (reader.isNext(0xa3) && reader.enter(0xa3).readInteger() !== '01') {
    throw new DerError('its RSA-PSS parameters are not supported')
  }
  reader.expectEnd()
  if (!(saltLength >= 0 && saltLength <= 512)) throw new DerError('its RSA-PSS salt is too long')
  return { oid, keyTypes: ['rsa', 'rsa-pss'], hash, saltLength }
}

function readHash(reader: DerReader): string {
  const hash = HASHES[oidToString(reader.read(TAG.oid))]
  if (hash === undefined) throw new DerError('its RSA-PSS hash is not supported')
  if (reader.isNext(TAG.null)) reader.read(TAG.null)
  reader.expectEnd()
  return hash
}
