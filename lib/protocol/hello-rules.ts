import { protocolError, type TokenError } from '../errors/token-error'
import type { ConnectionLimits } from '../options/connection-options'
import {
  FEATURE_ACK,
  FEATURE_END,
  FEATURE_HANDLER,
  FEATURE_PART,
  FEATURE_SESSION,
  FEATURE_STREAM,
  type Hello,
  type Role,
  type SessionPart
} from '../wire/hello'

const NO_FINGERPRINT = Buffer.alloc(32)

/** The SHA-256 fingerprints of the certificates of a connection, 32 bytes each. */
export interface Fingerprints {
  /** Those that this side may have presented; empty when the peer's word can't be judged. */
  readonly own: readonly Uint8Array[]
  /** The one that this side saw; null when it saw none. */
  readonly peer: Buffer | null
}

/** The HELLO of this side. @param answered answers of the peer that came in this session */
export function helloOf(
  role: Role,
  limits: ConnectionLimits,
  fingerprints: Fingerprints,
  session: SessionPart | null = null,
  answered = 0
): Hello {
  const { maxStreamLength } = limits
  return {
    role,
    features:
      FEATURE_ACK |
      FEATURE_PART |
      FEATURE_END |
      FEATURE_HANDLER |
      (session === null ? 0 : FEATURE_SESSION) |
      (maxStreamLength > 0 ? FEATURE_STREAM : 0),
    maxTokenLength: limits.maxTokenLength,
    heartbeat: limits.heartbeat,
    receiveWindow: limits.receiveWindow,
    fingerprint: fingerprints.peer ?? NO_FINGERPRINT,
    session,
    ...(maxStreamLength > 0 && { maxStreamLength }),
    ...(session !== null && { answered })
  }
}

/**
 * What is wrong with the peer's HELLO beyond its layout, in the order of the page; null when nothing is.
 *
 * @param wantsSession this side is a client and asks for a session
 */
export function helloFault(
  hello: Hello,
  role: Role,
  fingerprints: Fingerprints,
  wantsSession = false
): TokenError | null {
  if (hello.role === role) {
    return protocolError('protocol-error', `Cannot greet the peer: both sides say that they are the ${role}`)
  }
  if (hello.session !== null && role === 'client' && !wantsSession) {
    return protocolError(
      'protocol-error',
      'Cannot greet the peer: it offers a session that was not asked for'
    )
  }
  const { own } = fingerprints
  if (own.length > 0 && !own.some(fingerprint => Buffer.compare(hello.fingerprint, fingerprint) === 0)) {
    return protocolError(
      'certificate-mismatch',
      'Cannot greet the peer: it saw another certificate than the one presented, someone stands between'
    )
  }
  if (wantsSession && hello.session === null) {
    return protocolError('unsupported', 'Cannot begin a session: the server keeps none')
  }
  return null
}
