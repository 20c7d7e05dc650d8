import { createHmac } from 'node:crypto'
import type { KDFFactory } from 'hpke'

const HASH_LENGTH = 32

/** HKDF-SHA256, RFC 5869, by node:crypto. */
export const nodeKdf: KDFFactory = () => ({
  id: 1,
  type: 'KDF',
  name: 'HKDF-SHA256',
  Nh: HASH_LENGTH,
  stages: 2,
  Extract: (salt, ikm) => Promise.resolve(hmac(salt, ikm)),
  // hpke takes promises alone, and what this throws must become a rejection.
  // biome-ignore lint/suspicious/useAwait: see above
  async Expand(prk, info, length) {
    const count = Math.ceil(length / HASH_LENGTH)
    if (count > 255) throw new RangeError('HKDF gives at most 255 hashes')
    const all = new Uint8Array(count * HASH_LENGTH)
    let last = new Uint8Array()
    for (let index = 0; index < count; index++) {
      last = hmac(prk, last, info, Uint8Array.of(index + 1))
      all.set(last, index * HASH_LENGTH)
    }
    return all.slice(0, length)
  },
  Derive: () => Promise.reject(new Error('HKDF has two stages'))
})

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const mac = createHmac('sha256', key)
  for (const part of parts) mac.update(part)
  return new Uint8Array(mac.digest())
}
