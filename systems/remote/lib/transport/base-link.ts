import type { Link, LinkClose } from '../link/link'
import type { LinkLimits } from './link-limits'

/** Milliseconds between two looks at how much waits, where nobody tells. */
const LOOK_INTERVAL = 10

/** Frames that are kept for an owner who is not there yet. */
const MAX_EARLY = 64

/** What all links have in common: one end, told once, and a sender that is told to wait. */
export abstract class BaseLink implements Link {
  onDrain: (() => void) | undefined
  protected readonly limits: LinkLimits
  #isClosed = false
  #isWaiting = false
  #isLooking = false
  #onFrame: ((frame: Uint8Array) => void) | undefined
  #onClose: ((why: LinkClose) => void) | undefined
  /** What came before there was anybody to take it. */
  #early: Uint8Array[] = []
  #end: LinkClose | undefined

  constructor(limits: LinkLimits) {
    this.limits = limits
  }

  abstract get bufferedBytes(): number

  get maxFrameBytes(): number {
    return this.limits.maxFrameBytes
  }

  get onFrame(): ((frame: Uint8Array) => void) | undefined {
    return this.#onFrame
  }

  set onFrame(onFrame: ((frame: Uint8Array) => void) | undefined) {
    this.#onFrame = onFrame
    if (onFrame === undefined) return
    for (const frame of this.#early.splice(0)) onFrame(frame)
  }

  get onClose(): ((why: LinkClose) => void) | undefined {
    return this.#onClose
  }

  set onClose(onClose: ((why: LinkClose) => void) | undefined) {
    this.#onClose = onClose
    const end = this.#end
    if (end !== undefined && onClose !== undefined) queueMicrotask(() => onClose(end))
  }

  send(frame: Uint8Array): boolean {
    if (this.#isClosed) return false
    if (frame.length > this.limits.maxFrameBytes) {
      this.fail(`a frame has ${frame.length} bytes, and may have ${this.limits.maxFrameBytes}`)
      return false
    }
    this.write(frame)
    if (this.#isClosed) return false
    const waiting = this.bufferedBytes
    if (waiting > this.limits.maxBufferedBytes) {
      this.fail('the other side does not read')
      return false
    }
    if (waiting < this.limits.highWaterBytes) return true
    this.#isWaiting = true
    this.watchDrain()
    return false
  }

  close(why = 'it was closed'): void {
    if (this.#isClosed) return
    this.closed({ reason: why })
    this.shut(why)
  }

  /** Closes at once: what waits to be written is thrown away. */
  cut(why = 'it was cut'): void {
    this.fail(why)
  }

  protected get isClosed(): boolean {
    return this.#isClosed
  }

  /** Hands the frame on. */
  protected abstract write(frame: Uint8Array): void

  /** More than `highWaterBytes` wait: `drained` must be called when fewer do. By default it is called from time to time. */
  protected watchDrain(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    setTimeout(() => {
      this.#isLooking = false
      this.drained()
      if (this.#isWaiting && !this.#isClosed) this.watchDrain()
    }, LOOK_INTERVAL)
  }

  /** Ends the connection in order, with these words. */
  protected abstract shut(why: string): void

  /** Cuts the connection; what waits is thrown away where there is a choice. */
  protected abstract breakOff(): void

  protected received(frame: Uint8Array): void {
    if (this.#isClosed) return
    if (frame.length > this.limits.maxFrameBytes) this.fail('a frame is too long')
    else if (this.#onFrame !== undefined) this.#onFrame(frame)
    else if (this.#early.push(frame) > MAX_EARLY) this.fail('frames came that nobody takes')
  }

  protected drained(): void {
    if (!this.#isWaiting || this.#isClosed || this.bufferedBytes * 2 > this.limits.highWaterBytes) return
    this.#isWaiting = false
    this.onDrain?.()
  }

  /** This side will not go on with the other one. */
  protected fail(reason: string): void {
    if (this.#isClosed) return
    this.closed({ reason })
    this.breakOff()
  }

  /** The connection has ended; only the first call counts. */
  protected closed(why: LinkClose): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#early = []
    if (this.#onClose !== undefined) this.#onClose(why)
    else this.#end = why
  }
}
