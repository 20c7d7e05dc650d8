/** What a sender tells its connection. */
export interface SenderEvents {
  onDrain(): void
  /** Bytes went out: the connection is not idle. */
  onActivity(hasTokens: boolean): void
  /** The peer took nothing of a write for `writeTimeout`. */
  onStall(): void
  /** A token can't be written as it was taken. */
  onFault(error: unknown): void
  /** Everything that may be sent was given to the socket, after `end`. */
  onFlushed(): void
  /** The token from a stream at that place will never be whole; it keeps its number. */
  onAborted(place: number, cause: unknown): void
  /** A token from a stream was taken back before its first byte, and leaves a gap. */
  onWithdrawn(place: number, cause: unknown): void
}
