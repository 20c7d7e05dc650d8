import { fromBase64url } from '../encoding/base64url'
import { fieldOf } from '../encoding/json'
import type { SealingKey } from '../sealing/session'
import { isId } from '../wire/frame'

/** What a phone keeps of a pairing, as JSON. It is a secret: whoever has it is this phone. */
export interface PhoneKey {
  readonly version: 2
  /** To connect to. */
  readonly url: string
  readonly device: string
  /** The device's static public key, base64url. */
  readonly publicKey: string
  readonly id: string
  /** 32 bytes, base64url. */
  readonly psk: string
  /** What the device calls this phone. */
  readonly name: string
  /** Events it may send; undefined: all. */
  readonly events?: readonly string[] | undefined
  /** When its time is over, milliseconds since 1970; undefined: never. */
  readonly until?: number | undefined
}

/** What stands in a {@link PhoneKey}, for `connect(url, key)`. @returns undefined for what is none */
export function readPhoneKey(
  stored: unknown
): { readonly url: string; readonly key: SealingKey } | undefined {
  const [url, id, psk] = ['url', 'id', 'psk'].map(name => fieldOf(stored, name))
  const bytes = typeof psk === 'string' ? fromBase64url(psk) : undefined
  if (fieldOf(stored, 'version') !== 2 || typeof url !== 'string' || !URL.canParse(url)) return undefined
  if (typeof id !== 'string' || !isId(id) || bytes?.length !== 32) return undefined
  return { url, key: { id, mode: 'paired', psk: bytes } }
}
