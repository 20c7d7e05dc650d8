import type { StoredClient, StoredSubscription } from '../base-persistence'
import type { StoreOptions } from '../store'
import { SubscriptionIndex } from '../subscription-index'
import type { RedisConnection } from './redis-connection'
import type { RedisLink } from './redis-link'
import { CLAIM, FORGET, NEWS, SUBSCRIBE, SUBSCRIPTIONS, UNSUBSCRIBE } from './scripts'

/** Bytes of one entry of the log; the filters of one packet go into several. */
const ENTRY_BYTES = 4_096

/** Sessions that are read at once, about. */
const PAGE = '500'

/** What happened to a session: its filters with their QoS, -1 for those that are gone; without `s` the session is gone. */
interface Change {
  readonly c: string
  readonly s?: Record<string, number>
}

interface Collected {
  readonly filters: Map<string, number>
  readonly written: Promise<void>
}

/**
 * The subscriptions of all sessions, of all brokers: in Redis, and in memory as they were at a version of it. Each change has an entry in a log
 * in Redis, by which the others come to its version.
 */
export class SharedSubscriptions {
  readonly #redis: RedisConnection
  readonly #options: Pick<StoreOptions, 'openSessions' | 'maySubscribe'>
  readonly #collected = new Map<string, Collected>()
  #index = new SubscriptionIndex()
  #version = 0
  /** The search for news that began last, and one that has not begun. */
  #search: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(redis: RedisConnection, options: Pick<StoreOptions, 'openSessions' | 'maySubscribe'>) {
    this.#redis = redis
    this.#options = options
  }

  get version(): string {
    return String(this.#version)
  }

  match(topic: string): StoredSubscription[] {
    const found = this.#index.match(topic)
    // A filter that begins with a wildcard reaches no topic that begins with "$" [MQTT-4.7.2-1].
    return topic.startsWith('$') ? found.filter(({ topic: filter }) => !/^[+#]/.test(filter)) : found
  }

  async claim({ id }: StoredClient): Promise<StoredSubscription[]> {
    const { brokerId } = this.#redis
    return pairsOf(await this.#redis.use(link => link.run(CLAIM, [brokerId, id])))
  }

  /** aedes hands over all subscriptions of a packet once for each that is granted: those of one turn are written together. */
  add(client: StoredClient, subscriptions: readonly StoredSubscription[]): Promise<void> {
    let collected = this.#collected.get(client.id)
    if (collected === undefined) {
      const filters = new Map<string, number>()
      collected = { filters, written: Promise.resolve().then(() => this.#write(client.id, filters)) }
      this.#collected.set(client.id, collected)
    }
    for (const { topic, qos } of subscriptions) {
      if (this.#options.maySubscribe(client, topic)) collected.filters.set(topic, qos)
    }
    return collected.written
  }

  async #write(id: string, filters: ReadonlyMap<string, number>): Promise<void> {
    this.#collected.delete(id)
    if (filters.size > 0) await this.#redis.use(link => this.#subscribe(link, id, filters))
  }

  async remove({ id }: StoredClient, topics: readonly string[]): Promise<void> {
    await this.#collected.get(id)?.written
    const removed = topics.map(topic => [topic, -1] as const)
    const entries = entriesOf(id, removed)
    const args = [id, String(entries.length), ...entries, ...topics]
    await this.#redis.use(async link => this.#changed(link, await link.run(UNSUBSCRIBE, args), entries))
  }

  /** Forgets all of a session but its incoming packets. */
  async forget({ id }: StoredClient): Promise<void> {
    await this.#collected.get(id)?.written
    await this.#redis.use(async link => {
      if ((await link.run(FORGET, [id])) === 1) await this.catchUp(link)
    })
  }

  /** To the version that Redis has now. Those who ask meanwhile share the next search. */
  catchUp(link: RedisLink): Promise<void> {
    if (this.#next !== undefined) return this.#next
    const before = this.#search ?? Promise.resolve()
    const next = before
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.#readNews(link)
      })
    this.#next = next
    this.#search = next
    return next
  }

  async #readNews(link: RedisLink): Promise<void> {
    for (;;) {
      const [version, entries] = await this.#newsOf(link)
      if (entries !== undefined) this.#apply(version, entries)
      else if (version === this.#version) return
      else await this.#reload(link)
    }
  }

  /**
   * All anew from a Redis that may have lost data. The clients that are connected here were told that they are subscribed: what is missing of
   * their subscriptions is written again.
   *
   * @returns whether it had more before
   */
  async restore(link: RedisLink): Promise<boolean> {
    const before = new Map<string, StoredSubscription[]>()
    for (const id of this.#options.openSessions()) before.set(id, this.#index.of(id))
    const version = this.#version
    await this.#reload(link)
    const isLess = this.#version < version
    for (const [id, subscriptions] of before) {
      const found = new Set(this.#index.of(id).map(({ topic }) => topic))
      const lost = subscriptions.filter(({ topic }) => !found.has(topic))
      if (lost.length === 0) continue
      await this.#subscribe(link, id, new Map(lost.map(({ topic, qos }) => [topic, qos])))
    }
    await this.catchUp(link)
    return isLess
  }

  async #reload(link: RedisLink): Promise<void> {
    const [version] = await this.#newsOf(link)
    const index = new SubscriptionIndex()
    let cursor = '0'
    do {
      const reply = await link.command('ZSCAN', 'seen', cursor, 'COUNT', PAGE)
      const [next, flat] = reply as [Buffer, Buffer[]]
      cursor = next.toString()
      const ids = flat.filter((_, at) => at % 2 === 0).map(String)
      if (ids.length === 0) continue
      const all = (await link.run(SUBSCRIPTIONS, ids)) as unknown[]
      ids.forEach((clientId, at) => {
        for (const subscription of pairsOf(all[at])) index.add({ clientId, ...subscription })
      })
    } while (cursor !== '0')
    this.#version = version
    this.#index = index
  }

  /** Without entries: there are none, or they are not known any more. */
  async #newsOf(link: RedisLink): Promise<[version: number, entries: Buffer[] | undefined]> {
    const [version, entries] = (await link.run(NEWS, [this.version])) as [Buffer, Buffer[] | undefined]
    return [Number(version), entries]
  }

  async #subscribe(link: RedisLink, id: string, filters: ReadonlyMap<string, number>): Promise<void> {
    const entries = entriesOf(id, filters)
    const flat = [...filters].flatMap(([filter, qos]) => [filter, String(qos)])
    const args = [this.#redis.brokerId, id, String(entries.length), ...entries, ...flat]
    await this.#changed(link, await link.run(SUBSCRIBE, args), entries)
  }

  /** What was written here needs not be read when nobody else has written meanwhile. */
  async #changed(link: RedisLink, reply: unknown, entries: readonly string[]): Promise<void> {
    const [version, written] = reply as [Buffer, number]
    if (written > 0 && this.#version === Number(version) - written) this.#apply(Number(version), entries)
    else await this.catchUp(link)
  }

  /** @param entries those that lead from its version to this one */
  #apply(version: number, entries: readonly (string | Buffer)[]): void {
    for (const entry of entries) {
      const { c: clientId, s: filters } = JSON.parse(entry.toString()) as Change
      if (filters === undefined) this.#index.forget(clientId)
      else for (const [topic, qos] of Object.entries(filters)) this.#set(clientId, topic, qos)
    }
    this.#version = version
  }

  #set(clientId: string, topic: string, qos: number): void {
    if (qos < 0) this.#index.remove(clientId, topic)
    else this.#index.add({ clientId, topic, qos: qos as 0 | 1 | 2 })
  }
}

/** Changes of a session for the log. */
function entriesOf(clientId: string, filters: Iterable<readonly [string, number]>): string[] {
  const entries: string[] = []
  let part: (readonly [string, number])[] = []
  let bytes = 0
  const end = () => {
    if (part.length > 0) entries.push(JSON.stringify({ c: clientId, s: Object.fromEntries(part) }))
    part = []
    bytes = 0
  }
  for (const change of filters) {
    part.push(change)
    bytes += change[0].length
    if (bytes > ENTRY_BYTES) end()
  }
  end()
  return entries
}

function pairsOf(flat: unknown): { topic: string; qos: 0 | 1 | 2 }[] {
  const texts = (flat as Buffer[]).map(String)
  const pairs: { topic: string; qos: 0 | 1 | 2 }[] = []
  for (let at = 0; at < texts.length; at += 2) {
    pairs.push({ topic: texts[at] as string, qos: Number(texts[at + 1]) as 0 | 1 | 2 })
  }
  return pairs
}
