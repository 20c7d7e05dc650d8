import { createHmac, type KeyObject, sign } from 'node:crypto'

/** Signs the first two parts of a token, which are its input. */
export type Signer = (input: string) => Buffer

/**
 * A token made by hand, for what no library would sign.
 *
 * @param header an object, or the text that stands for one
 * @param claims likewise
 */
export function handMadeToken(header: object | string, claims: object | string, signer: Signer): string {
  const input = `${base64url(header)}.${base64url(claims)}`
  return `${input}.${signer(input).toString('base64url')}`
}

/** Of bytes, of a text, or of the JSON of an object. */
export function base64url(value: object | string): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64url')
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

export function hs256(secret: string | Uint8Array): Signer {
  return input => createHmac('sha256', secret).update(input).digest()
}

export function rs256(key: KeyObject): Signer {
  return input => sign('sha256', Buffer.from(input), key)
}

export function ps256(key: KeyObject): Signer {
  return input => sign('sha256', Buffer.from(input), { key, padding: 6, saltLength: 32 })
}

export function es256(key: KeyObject): Signer {
  return input => sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
}

export function eddsa(key: KeyObject): Signer {
  return input => sign(null, Buffer.from(input), key)
}

export function unsigned(): Buffer {
  return Buffer.alloc(0)
}
