import { expect } from 'chai'
import { MemoryLevel } from 'memory-level'
import { keepIdentifiersApart, skipIdentifiersInUse } from '../../lib/core/aedes-mends'
import type { AedesClient } from '../../lib/core/member'
import type { StoredPacket } from '../../lib/store/base-persistence'
import type { Database } from '../../lib/store/commit-queue'
import { LevelStore } from '../../lib/store/level-store'
import type { Store } from '../../lib/store/store'
import { packet, STORE_OPTIONS } from '../store/contract'

const ID = 's'

describe('The packet identifiers of a kept session', () => {
  let store: Store

  beforeEach(async () => {
    const level = new MemoryLevel<string, Buffer>({ keyEncoding: 'utf8', valueEncoding: 'buffer' })
    await level.open()
    store = keepIdentifiersApart(new LevelStore(level as Database, { ...STORE_OPTIONS, sync: false }))
    await store.setup({ id: 'b' })
    await store.addSubscriptions({ id: ID }, [{ topic: 'a', qos: 1 }])
  })
  afterEach(() => store.destroy())

  /** Stores messages; @returns what the queue has of them. */
  const queue = async (...payloads: string[]): Promise<StoredPacket[]> => {
    for (const payload of payloads) {
      const message = packet('a', { payload: Buffer.from(payload) })
      await store.outgoingEnqueueCombi(await store.subscriptionsByTopic('a'), message)
    }
    const queued: StoredPacket[] = []
    for await (const each of store.outgoingUnsent({ id: ID }, 0)) queued.push(each)
    return queued
  }

  const sentAgain = async (client: AedesClient) => {
    const sent: string[] = []
    for await (const { payload, messageId } of store.outgoingStream(client) as AsyncIterable<StoredPacket>) {
      sent.push(`${payload} ${messageId}`)
    }
    return sent
  }

  it('are given by one connection only: an earlier one that is closed marks nothing as sent behind its successor', async () => {
    const [one, two] = (await queue('one', 'two')) as [StoredPacket, StoredPacket]
    const earlier = clientAt(5)
    const marked = store.outgoingUpdate(earlier, { ...one, messageId: 5 })
    Object.assign(earlier, { closed: true })
    const later = clientAt(900)
    expect(await sentAgain(later), 'what is not committed yet counts').to.deep.equal(['one 5'])
    expect(later._nextId).to.equal(6)
    await marked
    const refused = await store
      .outgoingUpdate(earlier, { ...two, messageId: 6 })
      .catch((error: Error) => error)
    expect((refused as Error).message).to.equal('Cannot send a message: because the connection is closed')
    expect((await queue()).map(({ payload }) => payload.toString())).to.deep.equal(['two'])
  })

  it('leave out that of a message which was not acknowledged, when they begin again at 1', async () => {
    const [one, two] = (await queue('one', 'two')) as [StoredPacket, StoredPacket]
    const client = clientAt(65_535)
    client._nextId = 1
    await store.outgoingUpdate(client, { ...one, messageId: 1 })
    await store.outgoingUpdate(client, { ...two, messageId: 2 })
    client._nextId = 1
    expect(client._nextId).to.equal(3)
    await store.outgoingClearMessageId(client, { ...two, messageId: 2 })
    client._nextId = 1
    expect(client._nextId).to.equal(2)
    expect(await sentAgain(clientAt(7))).to.deep.equal(['one 1'])
  })
})

function clientAt(identifier: number): AedesClient {
  const client = { id: ID, clean: false, closed: false, _nextId: identifier } as unknown as AedesClient
  skipIdentifiersInUse(client)
  return client
}
