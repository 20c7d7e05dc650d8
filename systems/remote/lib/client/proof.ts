import { toBase64url } from '../encoding/base64url'
import { admissionTag } from '../sealing/keys'
import type { SealingKey } from '../sealing/session'
import type { Token } from './token'

/** What lets a client through a relay; each of the two is enough. A device that listens itself looks at neither. */
export interface Proof {
  readonly jwt?: string
  /** base64url of the admission tag of the key. */
  readonly tag?: string
}

export async function proofOf(token: Token, key: SealingKey | undefined): Promise<Proof> {
  const jwt = await token.get()
  const hasTag = key !== undefined && key.mode !== 'plain'
  return {
    ...(jwt !== undefined && { jwt }),
    ...(hasTag && { tag: toBase64url(await admissionTag(key.psk)) })
  }
}
