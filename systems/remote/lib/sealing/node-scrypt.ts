import { scrypt } from 'node:crypto'
import type { Scrypt } from './keys'

/** By OpenSSL, in a thread of its own. */
export const nodeScrypt: Scrypt = (password, salt, { N, r, p, dkLen }) =>
  new Promise((resolve, reject) => {
    const maxmem = 129 * N * r * p
    scrypt(password, salt, dkLen, { N, r, p, maxmem }, (error, key) =>
      error === null ? resolve(new Uint8Array(key)) : reject(error)
    )
  })
