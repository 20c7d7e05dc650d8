import { Deadline } from './deadline'

/** Bytes in one `frameTimeout` that count as progress although no frame was completed. */
export const FRAME_PROGRESS_BYTES = 4096

/** Notices a peer that has begun a frame, completes none, and sends next to nothing. */
export class FrameWatch {
  readonly #timeout: number
  readonly #onExpire: (bytes: number) => void
  /** Made for the first frame that does not come whole. */
  #deadline: Deadline | null = null
  #frames = 0
  #bytes = 0
  #framesAtStart = 0
  #bytesAtStart = 0

  /**
   * @param timeout milliseconds without progress
   * @param onExpire is given the bytes that came in them
   */
  constructor(timeout: number, onExpire: (bytes: number) => void) {
    this.#timeout = timeout
    this.#onExpire = onExpire
  }

  /** Bytes were read. @param frames a count that grows with each frame completed */
  update(isMidFrame: boolean, frames: number, bytes: number): void {
    this.#frames = frames
    this.#bytes += bytes
    if (!isMidFrame) this.#deadline?.disarm()
    else if (!this.#deadline?.isArmed || this.#framesAtStart !== frames) this.#start()
  }

  /** This side does not read: the peer can't be blamed. */
  suspend(): void {
    this.#deadline?.disarm()
  }

  clear(): void {
    this.#deadline?.clear()
  }

  #start(): void {
    this.#framesAtStart = this.#frames
    this.#bytesAtStart = this.#bytes
    this.#deadline ??= new Deadline(this.#timeout, () => this.#expired())
    this.#deadline.arm()
  }

  #expired(): void {
    const bytes = this.#bytes - this.#bytesAtStart
    if (bytes >= FRAME_PROGRESS_BYTES) this.#start()
    else this.#onExpire(bytes)
  }
}
