import { Readable } from 'node:stream'
import type { StoredClient, StoredPacket } from '../base-persistence'
import { type PacketNumber, SessionTakenError } from '../store'
import { decodeMessage, encodeMessage, withQos } from './messages'
import type { RedisConnection } from './redis-connection'
import { CLEAR, RECEIVED, REMOVE, SENT, UNSENT } from './scripts'

/** Messages that are read at once, and their bytes. */
const PAGE = '100'
const PAGE_BYTES = '262144'

interface Sent {
  readonly number: number
  readonly messageId: number
}

/** The queues of sessions: what becomes of a message from its place in the queue to its acknowledgement. */
export class SessionQueues {
  readonly #redis: RedisConnection

  constructor(redis: RedisConnection) {
    this.#redis = redis
  }

  /** In the order of their numbers. */
  sent(client: StoredClient & { readonly clean?: boolean }): Readable {
    return Readable.from(client.clean === true ? [] : this.#sent(client))
  }

  async *#sent({ id }: StoredClient): AsyncGenerator<StoredPacket> {
    const reply = await this.#redis.use(link => link.command('ZRANGE', `sent:${id}`, '0', '-1', 'WITHSCORES'))
    const all: Sent[] = (reply as [Buffer, number][]).map(([number, messageId]) => ({
      number: Number(number),
      messageId
    }))
    for (const { number, messageId } of all.sort((a, b) => a.number - b.number)) {
      const bytes = await this.#redis.use(link => link.command('HGET', `m:${id}`, String(number)))
      if (bytes !== null) yield decodeMessage(bytes as Buffer, number, messageId)
    }
  }

  async *unsent({ id }: StoredClient): AsyncGenerator<StoredPacket> {
    const { brokerId } = this.#redis
    let last = '0'
    for (;;) {
      const args = [brokerId, id, last, PAGE, PAGE_BYTES]
      const page = (await this.#redis.use(link => link.run(UNSENT, args)).catch(failed)) as Buffer[]
      if (page.length === 0) return
      for (let at = 0; at < page.length; at += 2) {
        last = String(page[at])
        yield decodeMessage(page[at + 1] as Buffer, Number(last))
      }
    }
  }

  /** One whose subscription was granted while it was being stored has no place in the queue, and gets it here. */
  async update({ id }: StoredClient, packet: StoredPacket): Promise<void> {
    const { cmd, qos, brokerCounter, messageId } = packet
    const { fence } = this.#redis
    if (cmd !== 'publish') {
      await this.#redis.use(link => link.run(RECEIVED, [...fence, id, String(messageId)]))
      return
    }
    const message = withQos(qos, encodeMessage(packet))
    const args = [...fence, id, String(brokerCounter), String(messageId), message]
    await this.#redis.use(link => link.run(SENT, args, message.length))
  }

  async clear({ id }: StoredClient, { messageId }: StoredPacket): Promise<StoredPacket | undefined> {
    if (messageId == null) return undefined // a message that was held back stays in its queue
    const { fence } = this.#redis
    const reply = await this.#redis.use(link => link.run(CLEAR, [...fence, id, String(messageId)]))
    const [number, message] = reply as [Buffer?, (Buffer | null)?]
    return message == null ? undefined : decodeMessage(message, Number(number), messageId)
  }

  async remove({ id }: StoredClient, { brokerCounter }: PacketNumber): Promise<void> {
    await this.#redis.use(link => link.run(REMOVE, [id, String(brokerCounter)]))
  }

  async count(clientId: string): Promise<number> {
    return (await this.#redis.use(link => link.command('HLEN', `m:${clientId}`))) as number
  }
}

function failed(error: Error): never {
  if (error.message.startsWith('TAKEN')) throw new SessionTakenError(error.message, { cause: error })
  throw error
}
