/** A direction of a {@link Link}, or both of them. */
export interface LinkControl {
  /** Bytes come in pieces of 1 to `maxBytes`, cut by chance without regard to the writes. Infinity: as written. */
  chop(maxBytes: number): void
  /** At most `bytes` come at a time, and then none for `interval` milliseconds, default 1. Infinity: no bound. */
  dribble(bytes: number, interval?: number): void
  /** What is written from now on comes `milliseconds` later, and up to `jitter` more, default 0, in order. */
  delay(milliseconds: number, jitter?: number): void
  /** Nothing comes until `resume`, as behind a pulled cable: a write waits once the link is full. */
  stall(): void
  resume(): void
  /**
   * From now on and for good all vanishes, bytes on the way, the end and a reset included, while writes are done at
   * once: as by a middlebox that forgot the connection. For one that also stops to take bytes, `stall`.
   */
  halfOpen(): void
}

/** One direction of a {@link Link}. */
export interface LinkDirection extends LinkControl {
  /** Bytes that the writing end put in. */
  readonly bytesTaken: number
  /** Bytes that came out at the reading end. */
  readonly bytesPassed: number
  /** Bytes that vanished. */
  readonly bytesLost: number
  /** Bytes on the way. */
  readonly bytesHeld: number
}

/** What is between two ends; the methods of {@link LinkControl} are for both directions. */
export interface Link extends LinkControl {
  readonly aToB: LinkDirection
  readonly bToA: LinkDirection
  /** Fails both ends with ECONNRESET at once; what is on the way is lost. */
  cut(): void
}
