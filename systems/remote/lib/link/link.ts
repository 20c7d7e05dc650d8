/**
 * One connection that carries frames, each whole, in order: a WebSocket, a connection of tokens, a client of a relay as the device
 * sees it. Nothing is promised of what was under way when it closed.
 */
export interface Link {
  /**
   * Takes a frame; nothing happens after the close. @returns false when more than the other side reads is waiting: a caller that can
   * should hold back until `drain`.
   */
  send(frame: Uint8Array): boolean
  /** Set once, by whoever owns the link, before anything arrives. */
  onFrame: ((frame: Uint8Array) => void) | undefined
  /** Told once; nothing comes after it. */
  onClose: ((why: LinkClose) => void) | undefined
  onDrain: (() => void) | undefined
  /** Of a frame that may be sent; one that is longer ends the link. Left out where there is no such limit. */
  readonly maxFrameBytes?: number
  /** Bytes that wait to be written. */
  readonly bufferedBytes: number
  /** Frames that `send` took before still go out. */
  close(why?: string): void
  /** Closes at once: what waits to be written is thrown away. Left out where there is nothing but `close`. */
  cut?(why?: string): void
  /**
   * Reads no more until `resume`, so that what the other side sends waits over there; what has arrived already is still told. Left out
   * where it can't be done, as in browsers.
   */
  pause?(): void
  resume?(): void
  /**
   * The other side has shown that it may be here. Until then it can't make this side keep more than 64 KiB of a frame that is not whole.
   * Left out where nothing is kept.
   */
  trust?(): void
}

export interface LinkClose {
  /** Words for a person, without a secret. */
  readonly reason: string
  /** The other side said that it will not have this client: dialling again is of no use until something changes. */
  readonly refused?: boolean
  /**
   * So many of the last frames that `send` took have certainly not been processed by the other side, and never will be. Default 0:
   * nobody knows.
   */
  readonly unsent?: number
}
