import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject, randomBytes } from 'node:crypto'
import { I2OSP, type KEMFactory, type Key, type KeyPair, LabeledExpand, LabeledExtract } from 'hpke'
import { concat, utf8 } from '../encoding/bytes'
import { nodeKdf } from './node-kdf'

const ID = 0x20
const NAME = 'DHKEM(X25519, HKDF-SHA256)'
const LENGTH = 32

/** RFC 8410: what stands before the 32 bytes of a private key in DER. For public keys DER takes ten times as long as JWK. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

const kdf = nodeKdf()
const suiteId = concat(utf8('KEM'), I2OSP(ID, 2))

/** DHKEM(X25519, HKDF-SHA256), RFC 9180, section 4.1, by node:crypto: WebCrypto on Node takes five times as long. */
export const nodeKem: KEMFactory<NodeKey> = () => ({
  id: ID,
  type: 'KEM',
  name: NAME,
  Nsecret: LENGTH,
  Nenc: LENGTH,
  Npk: LENGTH,
  Nsk: LENGTH,
  // biome-ignore lint/suspicious/useAwait: hpke takes promises alone
  async GenerateKeyPair(extractable) {
    // Not by generateKeyPairSync: Node 20 locks up for ever when it collects the job of that while such a key is exported as JWK.
    const privateKey = freshPrivateKey()
    return pairOf(privateKey, createPublicKey(privateKey), extractable)
  },
  async DeriveKeyPair(ikm, extractable) {
    const prk = await LabeledExtract(kdf, suiteId, new Uint8Array(), utf8('dkp_prk'), ikm)
    const bytes = await LabeledExpand(kdf, suiteId, prk, utf8('sk'), new Uint8Array(), LENGTH)
    const privateKey = privateKeyOf(bytes)
    return pairOf(privateKey, createPublicKey(privateKey), extractable)
  },
  SerializePublicKey: key => Promise.resolve(key.raw()),
  // What these two throw must become a rejection.
  // biome-ignore lint/suspicious/useAwait: see above
  async DeserializePublicKey(bytes) {
    return new NodeKey(publicKeyOf(bytes), true)
  },
  SerializePrivateKey: key => Promise.resolve(key.raw()),
  // biome-ignore lint/suspicious/useAwait: see above
  async DeserializePrivateKey(bytes, extractable) {
    return new NodeKey(privateKeyOf(bytes), extractable)
  },
  async Encap(publicKey) {
    const { privateKey, publicKey: own } = await this.GenerateKeyPair(false)
    const enc = own.raw()
    const context = concat(enc, publicKey.raw())
    return { shared_secret: await sharedSecret(privateKey, publicKey, context), enc }
  },
  async Decap(enc, privateKey, publicKey) {
    const own = publicKey ?? new NodeKey(createPublicKey(privateKey.object), true)
    const context = concat(enc, own.raw())
    return await sharedSecret(privateKey, await this.DeserializePublicKey(enc), context)
  }
})

/** A key as `hpke` hands it about. */
export class NodeKey implements Key {
  readonly algorithm = { name: 'X25519' }
  readonly type: 'private' | 'public'
  readonly extractable: boolean
  readonly object: KeyObject
  #raw: Uint8Array | undefined

  constructor(object: KeyObject, extractable: boolean) {
    this.object = object
    this.type = object.type as 'private' | 'public'
    this.extractable = extractable
  }

  raw(): Uint8Array {
    if (this.#raw === undefined) {
      const { x, d } = this.object.export({ format: 'jwk' })
      this.#raw = new Uint8Array(Buffer.from((this.type === 'public' ? x : d) as string, 'base64url'))
    }
    return this.#raw
  }
}

/** @throws where the other side's key is a point of low order: OpenSSL refuses a shared secret of zeros, RFC 9180, section 7.1.4 */
async function sharedSecret(
  own: Readonly<NodeKey>,
  other: Readonly<NodeKey>,
  context: Uint8Array
): Promise<Uint8Array> {
  const secret = new Uint8Array(diffieHellman({ privateKey: own.object, publicKey: other.object }))
  const prk = await LabeledExtract(kdf, suiteId, new Uint8Array(), utf8('eae_prk'), secret)
  return await LabeledExpand(kdf, suiteId, prk, utf8('shared_secret'), context, LENGTH)
}

function pairOf(privateKey: KeyObject, publicKey: KeyObject, extractable: boolean): KeyPair<NodeKey> {
  return { privateKey: new NodeKey(privateKey, extractable), publicKey: new NodeKey(publicKey, true) }
}

function publicKeyOf(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
}

/** Any 32 bytes are one. Of a private key OpenSSL looks at `d` alone. */
function freshPrivateKey(): KeyObject {
  const d = randomBytes(LENGTH).toString('base64url')
  return createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d, x: d }, format: 'jwk' })
}

function privateKeyOf(bytes: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: 'der', type: 'pkcs8' })
}
