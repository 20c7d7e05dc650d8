import type { Scrypt } from './keys'

/** In JavaScript, in slices of 10 ms; loaded with the first passphrase that somebody types. */
export const webScrypt: Scrypt = async (password, salt, cost) => {
  const { scryptAsync } = await import('@noble/hashes/scrypt.js')
  return await scryptAsync(password, salt, cost)
}
