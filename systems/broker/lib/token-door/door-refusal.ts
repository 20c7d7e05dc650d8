import { peerAnswer } from '@token-server/identity'
import { FrameError } from '../wire/token-frame'

/** Why a request is refused: the words of `docs/token-door.md`. */
export type RefusalCode =
  | 'frame'
  | 'not-connected'
  | 'connected'
  | 'token-malformed'
  | 'token-refused'
  | 'token-unavailable'
  | 'no-identity'
  | 'too-many-connections'
  | 'not-allowed'
  | 'topic'
  | 'too-large'
  | 'too-many-subscriptions'
  | 'store'
  | 'closing'

/** Why the broker ends a connection. */
export type EndCode =
  | RefusalCode
  | 'token-expired'
  | 'token-revoked'
  | 'taken-over'
  | 'slow'
  | 'connect-timeout'

/** Those that end the connection. */
const ENDING: readonly RefusalCode[] = [
  'token-malformed',
  'token-refused',
  'token-unavailable',
  'no-identity',
  'too-many-connections'
]

/** What the other side may be told, and what only the log says. */
export class DoorRefusal extends Error {
  readonly code: RefusalCode
  readonly topic: string | undefined
  /** For the log. */
  readonly because: string

  constructor(code: RefusalCode, message: string, options: { topic?: string; because?: string } = {}) {
    super(message)
    this.code = code
    this.topic = options.topic
    this.because = options.because ?? message
  }

  get endsConnection(): boolean {
    return ENDING.includes(this.code)
  }
}

/** What is answered when a request fails, whatever has failed. */
export function refusalOf(error: unknown): DoorRefusal {
  if (error instanceof DoorRefusal) return error
  const { code = '', message } = error as { code?: string; message: string }
  if (error instanceof FrameError) return malformed(message)
  if (code === 'ERR_BROKER_CLOSED') return new DoorRefusal('closing', 'the broker closes')
  if (!code.startsWith('ERR_JWT_'))
    return new DoorRefusal('store', 'the message was not stored', { because: message })
  const { kind, message: words } = peerAnswer(error)
  return new DoorRefusal(`token-${kind}`, words, { because: message })
}

export function malformed(why: string): DoorRefusal {
  return new DoorRefusal('frame', why)
}
