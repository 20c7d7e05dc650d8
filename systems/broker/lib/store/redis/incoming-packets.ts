import type { StoredClient, StoredPacket } from '../base-persistence'
import type { RedisConnection } from './redis-connection'

export interface Incoming {
  readonly clientId: string
  readonly messageId: number
  /** It was stored, or was not. */
  readonly finish: () => void
}

/** QoS 2 packets of clients whose PUBREL has not come. */
export class IncomingPackets {
  readonly #redis: RedisConnection
  /** Those that go along with their message, by the `properties` of both. */
  readonly #uncommitted = new WeakMap<object, Incoming>()
  readonly #commits = new Map<string, Promise<void>>()

  readonly #cut: (client: StoredClient, why: string) => void

  /** @param cut ends a connection */
  constructor(redis: RedisConnection, cut: (client: StoredClient, why: string) => void) {
    this.#redis = redis
    this.#cut = cut
  }

  /** Is written with the queues of the same message, which aedes publishes right after. */
  async store(client: StoredClient, { messageId = 0, properties }: StoredPacket): Promise<void> {
    if (properties === undefined) {
      await this.#redis.use(link => link.command('SADD', `in:${client.id}`, String(messageId)))
      return
    }
    const key = `${messageId}:${client.id}`
    const committed = new Promise<void>(resolve => {
      const finish = () => {
        this.#commits.delete(key)
        resolve()
      }
      this.#uncommitted.set(properties, { clientId: client.id, messageId, finish })
    })
    this.#commits.set(key, committed)
  }

  /** That a message is. */
  of({ properties }: StoredPacket): Incoming | undefined {
    return properties && this.#uncommitted.get(properties)
  }

  /** Rejects for a packet that is new, as aedes wants it. */
  async get(client: StoredClient, { cmd, messageId }: StoredPacket): Promise<unknown> {
    const { id } = client
    await this.#commits.get(`${messageId}:${id}`) // a duplicate is acknowledged behind the commit only
    const search = this.#redis.use(link => link.command('SISMEMBER', `in:${id}`, String(messageId)))
    const found = await (cmd === 'pubrel' ? this.#orCut(client, search) : search)
    if (found === 1) return { messageId }
    throw new Error('Cannot find a packet: because it is new')
  }

  async remove(client: StoredClient, { messageId }: StoredPacket): Promise<void> {
    const { id } = client
    const removal = this.#redis.use(link => link.command('SREM', `in:${id}`, String(messageId)))
    await this.#orCut(client, removal)
  }

  /** aedes would complete by PUBCOMP what failed, and the next message with this identifier would be taken for a duplicate. */
  #orCut<T>(client: StoredClient, step: Promise<T>): Promise<T> {
    return step.catch((error: Error) => {
      this.#cut(client, error.message)
      return new Promise<T>(() => undefined)
    })
  }

  async clear({ id }: StoredClient): Promise<void> {
    await this.#redis.use(link => link.command('UNLINK', `in:${id}`))
  }
}
