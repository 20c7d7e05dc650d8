import { utf8 } from '../encoding/bytes'
import { fieldOf, parseJson } from '../encoding/json'
import { encodeFrame, type Frame, FrameKind, isId, NO_SESSION } from './frame'

/** Of the body of a control frame. */
export const MAX_CONTROL_BYTES = 65_536

/** Characters of what a device is called. */
export const MAX_NAME_LENGTH = 64

/** Who a client is, as the relay knows it: by its token, or because it has proven that it holds a key of the device. */
export interface Proven {
  readonly jwt?: { readonly id: string; readonly name?: string }
  readonly tag?: true
}

/**
 * Why a connection is about to be closed. `unknown-device` is said to a client for a device that is not there and for a proof that is not good
 * enough alike.
 */
export type ByeReason =
  | 'unknown-device'
  | 'unauthenticated'
  | 'kicked'
  | 'replaced'
  | 'too-many'
  | 'too-large'
  | 'too-fast'
  | 'too-slow'
  | 'malformed'
  | 'shutting-down'

/** What is said in the body of a control frame, as JSON: between a relay, or a device that listens, and whoever is connected to it. */
export type ControlMessage =
  /** client → relay, first. `tag`: base64url of the admission tag of a key. A device that listens itself looks at neither proof. */
  | { readonly do: 'join'; readonly device: string; readonly jwt?: string; readonly tag?: string }
  /** relay → client. `publicKey`: the device's static one, base64url. */
  | {
      readonly do: 'welcome'
      readonly client: string
      readonly device: string
      readonly publicKey: string
      readonly online: boolean
    }
  /** relay → client: the device is there again: it knows no session of before. */
  | { readonly do: 'online' }
  | { readonly do: 'offline' }
  /** device → relay, first. */
  | { readonly do: 'register'; readonly publicKey: string; readonly jwt?: string; readonly name?: string }
  /** relay → device: 32 bytes sealed to its public key, base64url. */
  | { readonly do: 'challenge'; readonly enc: string; readonly sealed: string }
  /** device → relay: what was sealed. */
  | { readonly do: 'proof'; readonly nonce: string }
  /** `maxFrameBytes`: of a frame that the relay takes. */
  | { readonly do: 'registered'; readonly device: string; readonly maxFrameBytes?: number }
  /** device → relay: the SHA-256 of each admission tag that lets a client in, base64url; instead of all that were said before. */
  | { readonly do: 'admit'; readonly tags: readonly string[] }
  /** device → relay: a sealed invitation, base64url, for who asks for this place first, within two minutes. */
  | { readonly do: 'post'; readonly place: string; readonly sealed: string }
  /** relay → device: whether it holds it. */
  | { readonly do: 'posted'; readonly place: string; readonly ok: boolean }
  /** relay → device */
  | { readonly do: 'opened'; readonly client: string; readonly by: Proven }
  /** Both ways between a relay and a device. From the device: the relay closes the connection of this client. */
  | { readonly do: 'closed'; readonly client: string; readonly why?: string }
  /** client or device → relay: a fresh token for the open connection, of the same subject. It is answered with `renewed`. */
  | { readonly do: 'renew'; readonly jwt: string }
  /** `ok` false: the token is not good, and all stays as it was. */
  | { readonly do: 'renewed'; readonly ok: boolean }
  /** The connection is closed after this. `retry`: whether dialling again may help. `why`: a {@link ByeReason}, or the device's own word. */
  | { readonly do: 'bye'; readonly why: string; readonly retry: boolean }

type Shape = Readonly<Record<string, (value: unknown) => boolean>>

const isText = (value: unknown) => typeof value === 'string'
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0
const isTruth = (value: unknown) => typeof value === 'boolean'
const isName = (value: unknown) => typeof value === 'string' && isId(value)
const isWord = (value: unknown) => typeof value === 'string' && /^[a-z-]{1,32}$/.test(value)
const optional = (check: (value: unknown) => boolean) => (value: unknown) =>
  value === undefined || check(value)
const isProven = (value: unknown) => {
  const jwt = fieldOf(value, 'jwt')
  return typeof value === 'object' && value !== null && (jwt === undefined || isText(fieldOf(jwt, 'id')))
}

const SHAPES: { readonly [What in ControlMessage['do']]: Shape } = {
  join: {
    device: value => value === '' || isName(value),
    jwt: optional(isText),
    tag: optional(isText)
  },
  welcome: { client: isName, device: isName, publicKey: isText, online: isTruth },
  online: {},
  offline: {},
  register: { publicKey: isText, jwt: optional(isText), name: optional(isText) },
  challenge: { enc: isText, sealed: isText },
  proof: { nonce: isText },
  registered: { device: isName, maxFrameBytes: optional(isCount) },
  admit: { tags: value => Array.isArray(value) && value.every(isText) },
  post: { place: isName, sealed: isText },
  posted: { place: isName, ok: isTruth },
  opened: { client: isName, by: isProven },
  closed: { client: isName, why: optional(isWord) },
  renew: { jwt: isText },
  renewed: { ok: isTruth },
  bye: { why: isWord, retry: isTruth }
}

/** A whole frame. */
export function encodeControl(message: ControlMessage): Uint8Array<ArrayBuffer> {
  const header = { kind: FrameKind.control, device: '', client: '', key: '', session: NO_SESSION }
  return encodeFrame(header, utf8(JSON.stringify(message)))
}

/** @returns undefined for what is no control frame, or says nothing that is known here */
export function decodeControl({ kind, body }: Frame): ControlMessage | undefined {
  if (kind !== FrameKind.control || body.length > MAX_CONTROL_BYTES) return undefined
  let message: unknown
  try {
    message = parseJson(body)
  } catch {
    return undefined
  }
  const what = fieldOf(message, 'do')
  if (typeof what !== 'string' || !Object.hasOwn(SHAPES, what)) return undefined
  const shape = SHAPES[what as ControlMessage['do']]
  const fits = Object.entries(shape).every(([name, check]) => check(fieldOf(message, name)))
  return fits ? (message as ControlMessage) : undefined
}
