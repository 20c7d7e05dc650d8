import { Deadline } from './deadline'

/** Bytes in one `frameTimeout` that count as progress although no frame was completed. */
export const FRAME_PROGRESS_BYTES = 4096

/** Notices a peer that has begun a frame, completes none, and sends next to nothing. */
export class FrameWatch {
  readonly #deadline: Deadline
  #frames = 0
  #bytes = 0
  #framesAtStart = 0
  #bytesAtStart = 0

  /**
   * @param timeout milliseconds without progress
   * @param onExpire is given the bytes that came in them
   */
  constructor(timeout: number, onExpire: (bytes: number) => void) {
    this.#deadline = new Deadline(timeout, () => {
      const bytes = this.#bytes - this.#bytesAtStart
      if (bytes >= FRAME_PROGRESS_BYTES) this.#start()
      else onExpire(bytes)
    })
  }

  /** Bytes were read. @param frames a count that grows with each frame completed */
  update(isMidFrame: boolean, frames: number, bytes: number): void {
    this.#frames = frames
    this.#bytes += bytes
    if (!isMidFrame) this.#deadline.disarm()
    else if (!this.#deadline.isArmed || this.#framesAtStart !== frames) this.#start()
  }

  /** This side does not read: the peer can't be blamed. */
  suspend(): void {
    this.#deadline.disarm()
  }

  clear(): void {
    this.#deadline.clear()
  }

  #start(): void {
    this.#framesAtStart = this.#frames
    this.#bytesAtStart = this.#bytes
    this.#deadline.arm()
  }
}
