import { Readable } from 'node:stream'
import type { Aedes } from 'aedes'
import type { StoredPacket } from '../store/base-persistence'
import type { Store } from '../store/store'

/**
 * What is retained, for one client: one search after another, and each filter is waited for once, however often it is subscribed to. Else a
 * client that subscribes again and again, and takes nothing, makes the broker read and hold a message for each time.
 */
export class RetainedTurns {
  readonly #waiting = new Set<string>()
  #last: Promise<void> = Promise.resolve()

  /** @param search is called when it is its turn, with those filters that no earlier call waits for */
  async *find<T>(
    filters: readonly string[],
    search: (filters: readonly string[]) => AsyncIterable<T>
  ): AsyncGenerator<T> {
    const own = filters.filter(filter => !this.#waiting.has(filter))
    if (own.length === 0) return // it is searched for behind this subscription, too
    for (const filter of own) this.#waiting.add(filter)
    const before = this.#last
    let end = () => {}
    this.#last = new Promise(resolve => {
      end = resolve
    })
    try {
      await before
      for (const filter of own) this.#waiting.delete(filter)
      yield* search(own)
    } finally {
      end()
    }
  }
}

/** aedes asks for what is retained right behind its event `subscribe`, without saying for whom. */
export function giveRetainedInTurns(aedes: Aedes, store: Store): void {
  const turns = new WeakMap<object, RetainedTurns>()
  let subscriber: RetainedTurns | undefined
  aedes.on('subscribe', (subscriptions, client) => {
    if (subscriptions.every(({ qos }) => qos > 2)) return // all were refused
    subscriber = turns.get(client) ?? new RetainedTurns()
    turns.set(client, subscriber)
  })
  const search = store.createRetainedStreamCombi.bind(store)
  store.createRetainedStreamCombi = filters => {
    const own = subscriber
    subscriber = undefined
    if (own === undefined) return search(filters)
    return Readable.from(own.find(filters, some => search(some) as AsyncIterable<StoredPacket>))
  }
}
