import type { Bus } from '@token-server/service'
import type { AedesPacket } from '../core/aedes-packet'
import { decodeMessage, encodeMessage } from './cluster-message'
import { LocalBus } from './local-bus'

const MESSAGE = 'message'

/** What aedes tells itself: who connected, who subscribed. The brokers tell each other of it what they need, by {@link Cluster}. */
const OWN_AFFAIRS = '$SYS/'

/**
 * The bus within this process, whose messages go to the other brokers as well, and theirs to it. Those who are here are given a message
 * first, within `emit`; the others get it about a millisecond later, or not at all: what must not be missed is in the store.
 */
export class ClusterBus extends LocalBus {
  readonly #bus: Bus
  readonly #brokerId: string
  readonly #onError: (error: Error) => void
  readonly #stop: () => void

  /** @param brokerId stands in the messages of this broker */
  constructor(bus: Bus, brokerId: string, onError: (error: Error) => void) {
    super()
    this.#bus = bus
    this.#brokerId = brokerId
    this.#onError = onError
    this.#stop = bus.subscribe(MESSAGE, (_topic, bytes, from) => {
      if (from !== bus.id) this.#receive(bytes)
    })
  }

  override close(done: () => void): this {
    this.#stop()
    return super.close(done)
  }

  protected override given(packet: AedesPacket): void {
    if (packet.brokerId !== this.#brokerId || packet.topic.startsWith(OWN_AFFAIRS)) return
    try {
      this.#bus.publish(MESSAGE, encodeMessage(packet))
    } catch (error) {
      this.#onError(error as Error)
    }
  }

  #receive(bytes: Buffer): void {
    try {
      this.emit(decodeMessage(bytes))
    } catch (error) {
      this.#onError(error as Error)
    }
  }
}
