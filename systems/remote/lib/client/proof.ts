import { toBase64url } from '../encoding/base64url'
import { RemoteError } from '../errors/remote-error'
import { admissionTag } from '../sealing/keys'
import type { SealingKey } from '../sealing/session'
import { within } from '../time/within'

/** What lets a client through a relay; each of the two is enough. A device that listens itself looks at neither. */
export interface Proof {
  readonly jwt?: string
  /** base64url of the admission tag of the key. */
  readonly tag?: string
}

/** A token, or a function that is called for each connection. */
export type Jwt = string | (() => string | Promise<string>)

export interface TokenOptions {
  readonly jwt?: Jwt | undefined
  /** Milliseconds until the function must have given a token. */
  readonly connectTimeout: number
}

/** @throws (rejects) RemoteError `disconnected`, reason `no-token` */
export async function tokenOf({ jwt, connectTimeout }: TokenOptions): Promise<string | undefined> {
  if (typeof jwt !== 'function') return jwt
  const late = () => noToken(`took longer than ${connectTimeout} ms`)
  const token: unknown = await within(connectTimeout, undefined, late, async () => {
    try {
      return await jwt()
    } catch (cause) {
      throw noToken('threw', cause)
    }
  })
  if (typeof token !== 'string') throw noToken('gave no text')
  return token
}

function noToken(what: string, cause?: unknown): RemoteError {
  return new RemoteError('disconnected', `Cannot connect: because the function jwt ${what}`, {
    reason: 'no-token',
    ...(cause !== undefined && { cause })
  })
}

export async function proofOf(options: TokenOptions, key: SealingKey | undefined): Promise<Proof> {
  const token = await tokenOf(options)
  const hasTag = key !== undefined && key.mode !== 'plain'
  return {
    ...(token !== undefined && { jwt: token }),
    ...(hasTag && { tag: toBase64url(await admissionTag(key.psk)) })
  }
}
