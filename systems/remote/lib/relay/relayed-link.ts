import { TokenBucket } from '@token-server/service'
import type { Link, LinkClose } from '../link/link'
import type { Receiver } from '../quotas/waiting-bytes'
import { type ByeReason, type ControlMessage, encodeControl } from '../wire/control'
import { decodeFrame, type Frame } from '../wire/frame'
import type { RelayContext } from './relay-context'

export interface AboutLink {
  /** Where it comes from. */
  readonly address?: string | undefined
  /** Told when a client was let in to its device, or a device was registered. */
  readonly onTrust?: (() => void) | undefined
}

/** Who has a connection at the moment: somebody who has not said who it is, then a client or a device. */
export interface LinkOwner {
  onFrame(frame: Frame, bytes: Uint8Array): void
  /** Once, last. */
  onClose(reason: string): void
  /** More may be sent, after `send` said false. */
  onDrain?(): void
}

export interface Rates {
  readonly framesPerSecond: number
  readonly bytesPerSecond: number
}

/** How much of a rate may come at once, in seconds. */
const BURST_SECONDS = 2

/** A sender that is held back, and still sends so much: its connection can't be held back. In seconds of its rate. */
const MOST_AHEAD = 4

/** One connection to a relay, within its limits: what comes too fast waits at its sender, and who reads too slowly is cut. */
export class RelayedLink implements Receiver {
  owner: LinkOwner | undefined
  readonly address: string | undefined
  readonly #onTrust: (() => void) | undefined
  readonly #link: Link
  readonly #context: RelayContext
  #mostWaiting: number
  #frames: TokenBucket | undefined
  #bytes: TokenBucket | undefined
  #isClosed = false
  #isHeld = false
  #paced: NodeJS.Timeout | undefined
  #slowUntil = 0
  #stuck: NodeJS.Timeout | undefined
  #enders: (() => void)[] = []

  constructor(link: Link, context: RelayContext, { address, onTrust }: AboutLink) {
    this.#link = link
    this.#context = context
    this.address = address
    this.#onTrust = onTrust
    this.#mostWaiting = context.limits.maxWaitingBytes
    link.onFrame = bytes => this.#received(bytes)
    link.onClose = close => this.#closed(close)
    link.onDrain = () => this.#drained()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get waitingBytes(): number {
    return this.#isClosed ? 0 : this.#link.bufferedBytes
  }

  /** It may be here: it can make this side keep a frame that is not whole yet. */
  trust(): void {
    this.#link.trust?.()
    this.#onTrust?.()
  }

  /** From now on; before there is no rate, for there is one frame. */
  limit({ framesPerSecond, bytesPerSecond }: Rates, mostWaiting: number): void {
    const now = performance.now()
    this.#frames = new TokenBucket(framesPerSecond, BURST_SECONDS * framesPerSecond, now)
    this.#bytes = new TokenBucket(bytesPerSecond, BURST_SECONDS * bytesPerSecond, now)
    this.#mostWaiting = mostWaiting
  }

  /** Is told once that the connection is of no use any more, whoever ended it. */
  onEnd(listener: () => void): void {
    this.#enders.push(listener)
  }

  /** @returns false: hold back until `onDrain` */
  send(frame: Uint8Array): boolean {
    if (this.#isClosed) return true
    const goesOn = this.#link.send(frame)
    const waiting = this.#link.bufferedBytes
    if (waiting > this.#mostWaiting) {
      this.tooSlow()
      return true
    }
    this.#context.waiting.note(this, waiting)
    if (!goesOn && this.#stuck === undefined) {
      const { slowTimeout } = this.#context.limits
      this.#stuck = setTimeout(() => this.#isStuck(waiting), slowTimeout)
      this.#stuck.unref()
    }
    return goesOn
  }

  say(message: ControlMessage): void {
    this.send(encodeControl(message))
  }

  /** Says why, and closes. The owner hears no more of it. */
  bye(why: ByeReason | string, retry: boolean): void {
    if (this.#isClosed) return
    this.#link.send(encodeControl({ do: 'bye', why, retry }))
    this.#end(why, false)
  }

  tooSlow(): void {
    if (this.#isClosed) return
    this.#context.counters.cutTooSlow++
    this.#end('it reads too slowly', true)
  }

  hold(): void {
    this.#isHeld = true
    this.#link.pause?.()
  }

  release(): void {
    this.#isHeld = false
    if (this.#paced === undefined && !this.#isClosed) this.#link.resume?.()
  }

  #received(bytes: Uint8Array): void {
    if (this.#isClosed) return
    const { limits, counters } = this.#context
    if (bytes.length > limits.maxFrameBytes) {
      counters.refusedTooLarge++
      this.bye('too-large', false)
      this.#tellOwner('it sent a frame that is too large')
      return
    }
    this.#pace(bytes.length)
    const frame = decodeFrame(bytes)
    if (frame === undefined) this.malformed()
    else this.owner?.onFrame(frame, bytes)
  }

  malformed(): void {
    this.#context.counters.malformed++
    this.bye('malformed', false)
    this.#tellOwner('it sent what is no frame')
  }

  #pace(bytes: number): void {
    if (this.#frames === undefined || this.#bytes === undefined) return
    const now = performance.now()
    const wait = Math.max(this.#frames.take(now, 1), this.#bytes.take(now, bytes))
    if (wait === 0) return
    const { counters } = this.#context
    if (wait > MOST_AHEAD * 1_000) {
      counters.cutTooFast++
      this.bye('too-fast', true)
      this.#tellOwner('it sends too fast')
      return
    }
    this.#slowUntil = now + wait
    if (this.#paced !== undefined) return
    counters.slowedDown++
    this.#link.pause?.()
    this.#resumeLater(wait)
  }

  #resumeLater(wait: number): void {
    this.#paced = setTimeout(() => {
      const left = this.#slowUntil - performance.now()
      // More had arrived before it could be held back.
      if (left > 0) this.#resumeLater(left)
      else {
        this.#paced = undefined
        if (!this.#isHeld && !this.#isClosed) this.#link.resume?.()
      }
    }, wait)
    this.#paced.unref()
  }

  #drained(): void {
    clearTimeout(this.#stuck)
    this.#stuck = undefined
    this.#context.waiting.note(this, this.waitingBytes)
    this.owner?.onDrain?.()
  }

  /** It has had its time; it is slow, and not stuck, when it took some of what waited. */
  #isStuck(before: number): void {
    const now = this.waitingBytes
    if (now === 0 || this.#isClosed) this.#stuck = undefined
    else if (now >= before) this.tooSlow()
    else {
      this.#stuck = setTimeout(() => this.#isStuck(now), this.#context.limits.slowTimeout)
      this.#stuck.unref()
    }
  }

  #end(why: string, atOnce: boolean): void {
    this.#isClosed = true
    this.#forget()
    if (atOnce && this.#link.cut !== undefined) this.#link.cut(why)
    else this.#link.close(why)
    if (atOnce) this.#tellOwner(why)
  }

  #closed({ reason }: LinkClose): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#forget()
    this.#tellOwner(reason)
  }

  #forget(): void {
    clearTimeout(this.#stuck)
    clearTimeout(this.#paced)
    this.#context.waiting.forget(this)
    for (const tell of this.#enders.splice(0)) tell()
  }

  #tellOwner(reason: string): void {
    const { owner } = this
    this.owner = undefined
    owner?.onClose(reason)
  }
}
