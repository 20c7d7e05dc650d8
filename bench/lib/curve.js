import { generateKeyPairSync } from 'node:crypto'

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/** A key pair for ZeroMQ's CURVE, made without its native module, which this process must not depend on. */
export function curveKeyPair() {
  const { x, d } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' })
  return { publicKey: z85(Buffer.from(x, 'base64url')), secretKey: z85(Buffer.from(d, 'base64url')) }
}

/** ZeroMQ's own base 85: its options take keys as this text, its authentication handler gets them as bytes. */
export function z85(bytes) {
  let text = ''
  for (let offset = 0; offset < bytes.length; offset += 4) {
    const word = bytes.readUInt32BE(offset)
    for (let power = 4; power >= 0; power--) text += Z85[Math.floor(word / 85 ** power) % 85]
  }
  return text
}
