import { toBase64url } from './base64url'

/** 128 bits that nobody can guess: 22 characters of base64url. */
export function randomId(): string {
  return toBase64url(randomBytes(16))
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length))
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Letters and digits by chance, each of them as likely as another. */
export function randomText(length: number): string {
  let text = ''
  while (text.length < length)
    for (const byte of randomBytes(length)) {
      // 248 is the last multiple of 62 that a byte can reach.
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62]
    }
  return text
}
