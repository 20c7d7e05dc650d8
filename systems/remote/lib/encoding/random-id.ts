import { toBase64url } from './base64url'

/** 128 bits that nobody can guess: 22 characters of base64url. */
export function randomId(): string {
  return toBase64url(randomBytes(16))
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length))
}
