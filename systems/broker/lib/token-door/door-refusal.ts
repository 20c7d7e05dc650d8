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
