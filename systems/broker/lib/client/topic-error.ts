/** Every code a {@link TopicError} can bear. The list is closed: `switch (error.code)` narrows. */
export type TopicErrorCode =
  /** The broker has refused it: `refusal` says why. */
  | 'ERR_TOPIC_REFUSED'
  /** The client is closed, or was closed meanwhile. A message may have been published. */
  | 'ERR_TOPIC_CLOSED'
  /** The broker has ended the connection for good. */
  | 'ERR_TOPIC_ENDED'
  /** What the broker answered is no frame of the token door. */
  | 'ERR_TOPIC_ANSWER'
  /** An option of a client, or an argument of a call, can't be used. */
  | 'ERR_TOPIC_OPTION'
  /** A handler, or an option of one, can't be used. */
  | 'ERR_TOPIC_HANDLER'

/** What went wrong, in words that hold no token and no payload. */
export class TopicError extends Error {
  override readonly name = 'TopicError'
  readonly code: TopicErrorCode
  /** The code of the refusal or of the end, see `docs/token-door.md`. */
  readonly refusal: string | undefined

  constructor(code: TopicErrorCode, message: string, options: ErrorOptions & { refusal?: string } = {}) {
    super(message, options)
    this.code = code
    this.refusal = options.refusal
  }
}

export function wrongOption(name: string, why: string): TopicError {
  return new TopicError('ERR_TOPIC_OPTION', `Cannot use the option ${name}: because ${why}`)
}
