import type { TokenError, TokenErrorCode } from './token-error'

/** The reason why a connection, client or server ended: in order, by the close of the server, or the code of an error. */
export type CloseCode = 'normal' | 'shutdown' | TokenErrorCode

/** The end of a connection, client or server, and what became of the tokens. */
export interface CloseInfo {
  readonly code: CloseCode
  /** True unless the code is `normal` or `shutdown`. */
  readonly hadError: boolean
  readonly error: TokenError | null
  /**
   * Tokens that `send()` took and of which the last byte never reached the socket; of a client also those that waited for
   * the next connection because a server had closed without processing them.
   */
  readonly unsent: number
  /**
   * Tokens that reached the socket and that the peer did not confirm. Nothing confirms a token in token/1, so
   * there it is every token written. What a client sends again by its next connection, `disconnect` does not count.
   */
  readonly unconfirmed: number
  /** Bytes that arrived and were thrown away, because nobody took the tokens in them. */
  readonly undeliveredBytes: number
}

export function endedBy(error: TokenError | null): Pick<CloseInfo, 'code' | 'hadError' | 'error'> {
  return { code: error?.code ?? 'normal', hadError: error !== null, error }
}

/** The end of a dial, or of anything else that never had a token. */
export function lostBy(error: TokenError | null): CloseInfo {
  return { ...endedBy(error), unsent: 0, unconfirmed: 0, undeliveredBytes: 0 }
}

/** What `close()` accepts. */
export interface CloseOptions {
  /** Milliseconds to flush and to wait for the peer before what is left is destroyed. Default `closeTimeout`. */
  timeout?: number | undefined
}
