import { JwtError } from './jwt-error'

/** All that a peer may be told of a refusal. */
export interface PeerAnswer {
  /**
   * - `malformed`: it is no token at all. MQTT's CONNACK 4, HTTP's 401.
   * - `refused`: it is one, and does not open this door. CONNACK 5, 401.
   * - `unavailable`: nobody can tell at the moment, for the keys are out of reach. CONNACK 3, 503.
   */
  readonly kind: 'malformed' | 'refused' | 'unavailable'
  readonly message: string
}

const MALFORMED: PeerAnswer = Object.freeze({ kind: 'malformed', message: 'The token is malformed' })
const REFUSED: PeerAnswer = Object.freeze({ kind: 'refused', message: 'The token is refused' })
const UNAVAILABLE: PeerAnswer = Object.freeze({
  kind: 'unavailable',
  message: 'The token cannot be checked at the moment'
})

/**
 * What a server answers to whoever showed a token that was refused: one of three, whatever the reason. The reason, with
 * its code, belongs in the log: told to a stranger it is a list of what to forge next.
 *
 * @param error what `verify` or `renew` rejected with; anything but a JwtError is answered as `refused`
 */
export function peerAnswer(error: unknown): PeerAnswer {
  if (!(error instanceof JwtError)) return REFUSED
  switch (error.code) {
    case 'ERR_JWT_MALFORMED':
    case 'ERR_JWT_SIZE':
      return MALFORMED
    case 'ERR_JWT_UNAVAILABLE':
      return UNAVAILABLE
    default:
      return REFUSED
  }
}
