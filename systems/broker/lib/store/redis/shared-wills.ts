import { Readable } from 'node:stream'
import type { StoredClient, StoredPacket } from '../base-persistence'
import { decodeWill, encodeWill } from './messages'
import type { RedisConnection } from './redis-connection'
import { ALIVE, CLAIM_WILL, DELETE_WILL } from './scripts'

/** A broker that was silent for so long is dead, and others send its wills. Milliseconds. */
const DEAD_AFTER = 15_000

const AT_ONCE = '100'

/** Behind the id of a broker: it sends this will of a dead one. */
const CLAIMED = '!'

type Will = StoredPacket & { brokerId: string; clientId: string }

/** Wills, each with the broker whose client's it is. */
export class SharedWills {
  readonly #redis: RedisConnection
  readonly #onError: (error: unknown) => void
  /** Of each client here, those that were put and whose connection has not ended: the next connection puts its own before that. */
  readonly #open = new Map<string, number>()

  constructor(redis: RedisConnection, onError: (error: unknown) => void) {
    this.#redis = redis
    this.#onError = onError
  }

  async put({ id }: StoredClient, packet: StoredPacket): Promise<void> {
    const { brokerId } = this.#redis
    await this.#redis.use(link => link.command('HSET', 'wills', id, encodeWill(brokerId, id, packet)))
    this.#open.set(id, (this.#open.get(id) ?? 0) + 1)
  }

  /**
   * With the id of a broker its connection has ended, or the will was sent; without, a connection begins. It never rejects: aedes does not
   * expect that, and the process would end.
   */
  async delete({
    id,
    brokerId = ''
  }: StoredClient & { readonly brokerId?: string }): Promise<Will | undefined> {
    if (brokerId === this.#redis.brokerId && this.#endsEarlier(id)) return undefined
    try {
      const bytes = await this.#redis.use(link => link.run(DELETE_WILL, [id, brokerId]))
      if (bytes === null) return undefined
      const { brokerId: owner, will } = decodeWill(bytes as Buffer)
      return { ...will, brokerId: owner } as Will
    } catch (error) {
      this.#onError(error)
      return undefined
    }
  }

  /** Whether a later connection has put its will in place of the one that ends. */
  #endsEarlier(id: string): boolean {
    const open = (this.#open.get(id) ?? 1) - 1
    if (open > 0) this.#open.set(id, open)
    else this.#open.delete(id)
    return open > 0
  }

  /** Those of dead brokers. Each is this broker's to send from then on; when it dies too, it is another one's. */
  ofTheDead(): Readable {
    return Readable.from(this.#ofTheDead())
  }

  async *#ofTheDead(): AsyncGenerator<Will> {
    const { brokerId: us } = this.#redis
    const found = await this.#redis.use(link => link.run(ALIVE, [String(DEAD_AFTER)]))
    const alive = new Set((found as Buffer[]).map(String)).add(us)
    let cursor = '0'
    do {
      const reply = await this.#redis.use(link => link.command('HSCAN', 'wills', cursor, 'COUNT', AT_ONCE))
      const [next, flat] = reply as [Buffer, Buffer[]]
      cursor = next.toString()
      for (let at = 0; at < flat.length; at += 2) {
        const { brokerId, will } = decodeWill(flat[at + 1] as Buffer)
        if (alive.has(ownerOf(brokerId))) continue
        const args = [will.clientId, brokerId, us + CLAIMED]
        const isOurs = await this.#redis.use(link => link.run(CLAIM_WILL, args))
        if (isOurs === 1) yield { ...will, brokerId: us + CLAIMED }
      }
    } while (cursor !== '0')
  }
}

function ownerOf(brokerId: string): string {
  return brokerId.endsWith(CLAIMED) ? brokerId.slice(0, -CLAIMED.length) : brokerId
}
