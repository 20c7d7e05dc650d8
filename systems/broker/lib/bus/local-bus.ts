import type { AedesPacket } from '../core/aedes-packet'
import { createTopicMatcher } from '../wire/topic-matcher'

type Notify = (packet: AedesPacket, done: () => void) => void

/** Where a PUBLISH ends that was published already; nobody hears of it. */
export const VOID_TOPIC = '$SYS/void'

function nothing(): void {}

/**
 * From a message to its subscribers in this process; what aedes calls `mq`. Unlike mqemitter it waits for no subscriber: there one that
 * takes nothing holds a place of `concurrency` for each message, until no message goes to anybody (mcollina/mqemitter#94). How much may wait
 * for a subscriber is decided where its socket is.
 *
 * Messages go out one after another: one that a subscriber publishes while it is given another waits until that one has gone to all.
 */
export class LocalBus {
  readonly #matcher = createTopicMatcher<Notify>()
  readonly #waiting: { packet: AedesPacket; done: (error?: Error | null) => void }[] = []
  #isEmitting = false
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
    if (this.#isEmitting) {
      this.#waiting.push({ packet, done })
      return this
    }
    this.#emit(packet, done)
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#emit(next.packet, next.done)
    }
    return this
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
    this.#isClosed = true
    setImmediate(done)
    return this
  }
}
