/** Every code a {@link BrokerError} can bear. The list is closed: `switch (error.code)` narrows. */
export type BrokerErrorCode =
  /** An option can't be used. */
  | 'ERR_BROKER_OPTION'
  /** The broker is closed, or is being closed. */
  | 'ERR_BROKER_CLOSED'
  /** The store can't be opened, or refused to write. */
  | 'ERR_BROKER_STORE'
  /** A message of this process can't be published as it is. */
  | 'ERR_BROKER_MESSAGE'

/** What went wrong, in words that hold no token, key or payload. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  readonly code: BrokerErrorCode

  constructor(code: BrokerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function wrongOption(name: string, why: string): BrokerError {
  return new BrokerError('ERR_BROKER_OPTION', `Cannot use the option ${name}: because ${why}`)
}
