import type { AedesPacket } from '../core/aedes-packet'
import { createTopicMatcher } from '../wire/topic-matcher'

type Notify = (packet: AedesPacket, done: () => void) => void

/**
 * A turn of the event loop in which messages have been given out for so long leaves the others to the next, milliseconds. What arrived
 * together can be thousands of messages to a thousand subscribers each, and sockets are written at the end of a turn.
 */
const LONGEST_TURN = 20

/** Where a PUBLISH ends that was published already; nobody hears of it. */
export const VOID_TOPIC = '$SYS/void'

function nothing(): void {}

/**
 * From a message to its subscribers in this process; what aedes calls `mq`. Unlike mqemitter it waits for no subscriber: there one that
 * takes nothing holds a place of `concurrency` for each message, until no message goes to anybody (mcollina/mqemitter#94). How much may wait
 * for a subscriber is decided where its socket is.
 *
 * Messages go out one after another: one that a subscriber publishes while it is given another waits until that one has gone to all.
 * When a turn has lasted long enough they wait for the next, and so do the clients that published them: aedes reads nothing more of
 * a client before what it has read is given out.
 */
export class LocalBus {
  readonly #matcher = createTopicMatcher<Notify>()
  readonly #waiting: { packet: AedesPacket; done: (error?: Error | null) => void }[] = []
  #isEmitting = false
  /** When the first message of this turn was given out; 0: none was. */
  #turnBegan = 0
  #isClosed = false
  /** The number of the message that is being given out; 0: none is. */
  current = 0
  #last = 0

  on(topic: string, notify: Notify, done?: () => void): this {
    this.#matcher.add(topic, notify)
    if (done !== undefined) setImmediate(done)
    return this
  }

  removeListener(topic: string, notify: Notify, done?: () => void): this {
    this.#matcher.remove(topic, notify)
    if (done !== undefined) setImmediate(done)
    return this
  }

  emit(packet: AedesPacket, done: (error?: Error | null) => void = nothing): this {
    if (this.#isClosed) {
      done(new Error('Cannot publish: because the broker is closed'))
      return this
    }
    if (this.#isEmitting || this.#waiting.length > 0 || this.#isTurnOver) {
      this.#waiting.push({ packet, done })
      return this
    }
    this.#beginTurn()
    this.#emit(packet, done)
    this.#emitWaiting()
    return this
  }

  #beginTurn(): void {
    if (this.#turnBegan !== 0) return
    this.#turnBegan = performance.now()
    setImmediate(this.#nextTurn)
  }

  #nextTurn = (): void => {
    this.#turnBegan = 0
    if (this.#waiting.length === 0) return
    this.#beginTurn() // before a message that throws
    this.#emitWaiting()
  }

  get #isTurnOver(): boolean {
    return this.#turnBegan !== 0 && performance.now() - this.#turnBegan > LONGEST_TURN
  }

  #emitWaiting(): void {
    while (!this.#isTurnOver) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#emit(next.packet, next.done)
    }
  }

  #emit(packet: AedesPacket, done: (error?: Error | null) => void): void {
    if (packet.topic !== VOID_TOPIC) {
      this.#isEmitting = true
      this.current = ++this.#last
      try {
        for (const notify of this.#matcher.match(packet.topic)) notify(packet, nothing)
      } finally {
        this.current = 0
        this.#isEmitting = false
        this.given(packet)
      }
    }
    done()
  }

  /** It was given to all that are here. */
  protected given(_packet: AedesPacket): void {}

  close(done: () => void): this {
    for (const { packet, done: given } of this.#waiting.splice(0)) this.#emit(packet, given)
    this.#isClosed = true
    setImmediate(done)
    return this
  }
}
