/** What a sender tells its connection. */
export interface SenderEvents {
  onDrain(): void
  /** Bytes went out: the connection is not idle. */
  onActivity(hasTokens: boolean): void
  /** The peer took nothing of a write for `writeTimeout`. */
  onStall(): void
  /** Everything that may be sent was given to the socket, after `end`. */
  onFlushed(): void
  /** A token from a stream will never be whole; it keeps its number. */
  onAborted(number: number, cause: unknown): void
  /** A token from a stream was taken out before its first byte; those behind it move up. */
  onWithdrawn(number: number, cause: unknown): void
}
