import { toBase64url } from '../encoding/base64url'
import { admissionTag } from '../sealing/keys'
import type { SealingKey } from '../sealing/session'

/** What lets a client through a relay; each of the two is enough. A device that listens itself looks at neither. */
export interface Proof {
  readonly jwt?: string
  /** base64url of the admission tag of the key. */
  readonly tag?: string
}

export async function proofOf(
  jwt: string | (() => string | Promise<string>) | undefined,
  key: SealingKey | undefined
): Promise<Proof> {
  const token = typeof jwt === 'function' ? await jwt() : jwt
  const hasTag = key !== undefined && key.mode !== 'plain'
  return {
    ...(token !== undefined && { jwt: token }),
    ...(hasTag && { tag: toBase64url(await admissionTag(key.psk)) })
  }
}
