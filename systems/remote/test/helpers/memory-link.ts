import type { Link, LinkClose } from '../../lib/link/link'

export interface MemoryLinkOptions {
  /** Bytes that may wait before `send` says false. Default 65,536. */
  readonly highWaterBytes?: number
  /**
   * Every frame passes here; undefined: it is lost. `towards`: the index of the end it goes to. Default: as it is.
   */
  readonly pass?: (frame: Uint8Array, towards: 0 | 1) => Uint8Array | undefined
}

/** One end of a pair. Frames arrive in a later turn of the event loop, as those of a socket do, all that were sent by then together. */
export class MemoryLink implements Link {
  onFrame: ((frame: Uint8Array) => void) | undefined
  onClose: ((why: LinkClose) => void) | undefined
  onDrain: (() => void) | undefined
  bufferedBytes = 0
  isClosed = false
  readonly #index: 0 | 1
  readonly #options: MemoryLinkOptions
  #other: MemoryLink | undefined
  /** On their way to the other end. */
  #frames: Uint8Array[] = []
  #isDue = false
  #isFull = false
  #isPaused = false

  constructor(index: 0 | 1, options: MemoryLinkOptions) {
    this.#index = index
    this.#options = options
  }

  static pair(options: MemoryLinkOptions = {}): [MemoryLink, MemoryLink] {
    const ends: [MemoryLink, MemoryLink] = [new MemoryLink(0, options), new MemoryLink(1, options)]
    ends[0].#other = ends[1]
    ends[1].#other = ends[0]
    return ends
  }

  send(frame: Uint8Array): boolean {
    if (this.isClosed) return false
    this.#frames.push(frame)
    this.bufferedBytes += frame.length
    this.#deliver()
    if (this.bufferedBytes > (this.#options.highWaterBytes ?? 65_536)) this.#isFull = true
    return !this.#isFull
  }

  /** What was sent before still arrives; then the other end is told. */
  close(why = 'it was closed'): void {
    if (this.isClosed) return
    this.isClosed = true
    setImmediate(() => this.onClose?.({ reason: why }))
    this.#deliver()
  }

  /** As when a cable is cut: what is on its way either way is lost, and both ends are told. @param isProven each of what it has lost, too */
  cut(why = 'the connection broke', isProven = false): void {
    for (const end of [this, this.#other as MemoryLink]) {
      if (end.isClosed) continue
      end.isClosed = true
      const unsent = isProven ? end.#frames.length : 0
      end.#frames = []
      setImmediate(() => end.onClose?.({ reason: why, unsent }))
    }
  }

  /** Reads nothing of what the other end sends, until `resume()`. */
  pause(): void {
    ;(this.#other as MemoryLink).#isPaused = true
  }

  resume(): void {
    const other = this.#other as MemoryLink
    other.#isPaused = false
    other.#deliver()
  }

  #deliver(): void {
    if (this.#isDue || this.#isPaused) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      if (this.#isPaused) return
      const other = this.#other as MemoryLink
      const frames = this.#frames
      this.#frames = []
      this.bufferedBytes = 0
      for (const frame of frames) {
        const towards = this.#index === 0 ? 1 : 0
        const passed = this.#options.pass ? this.#options.pass(frame, towards) : frame
        if (passed !== undefined && !other.isClosed) other.onFrame?.(passed)
      }
      if (this.isClosed && !other.isClosed) {
        other.isClosed = true
        other.onClose?.({ reason: 'the other side closed it' })
      }
      if (this.#isFull && !this.isClosed) {
        this.#isFull = false
        this.onDrain?.()
      }
    })
  }
}

/** Two ends of one connection in memory. */
export function memoryLinkPair(options?: MemoryLinkOptions): [MemoryLink, MemoryLink] {
  return MemoryLink.pair(options)
}
