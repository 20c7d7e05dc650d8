import { expect } from 'chai'
import { MemoryLevel } from 'memory-level'
import type { StoredPacket } from '../../lib/store/base-persistence'
import type { Database, Operation } from '../../lib/store/commit-queue'
import { LevelStore, type LevelStoreOptions } from '../../lib/store/level-store'

const OPTIONS: LevelStoreOptions = {
  sync: false,
  maxQueuedMessages: 1_000,
  maxQueuedBytes: 1_000_000,
  maxRetainedMessages: 100,
  onDropped: () => undefined,
  onError: () => undefined,
  maySubscribe: () => true,
  openSessions: () => [],
  onDown: () => undefined,
  onUp: () => undefined
}
const client = { id: 'user%3A1/phone' }

function packet(topic: string, more: Partial<StoredPacket> = {}): StoredPacket {
  return { cmd: 'publish', topic, payload: Buffer.from('x'), qos: 1, retain: false, brokerId: 'b', ...more }
}

async function memory(): Promise<{ db: Database; batches: Operation[][] }> {
  const level = new MemoryLevel<string, Buffer>({ keyEncoding: 'utf8', valueEncoding: 'buffer' })
  await level.open()
  const db = level as Database
  const batches: Operation[][] = []
  const batch = db.batch.bind(db)
  db.batch = (operations, options) => {
    batches.push([...operations])
    return batch(operations, options)
  }
  return { db, batches }
}

async function open(db: Database, options: Partial<LevelStoreOptions> = {}): Promise<LevelStore> {
  const store = new LevelStore(db, { ...OPTIONS, ...options })
  await store.setup({ id: 'b' })
  return store
}

async function topicsOf(stream: AsyncIterable<StoredPacket>): Promise<string[]> {
  const topics: string[] = []
  for await (const { topic } of stream) topics.push(topic)
  return topics
}

describe('The store', () => {
  it('writes a QoS 2 message and its places in the queues by one commit', async () => {
    const { db, batches } = await memory()
    const store = await open(db)
    await store.addSubscriptions(client, [{ topic: 'a', qos: 2 }])
    batches.length = 0
    const properties = {}
    const message = packet('a', { qos: 2, messageId: 7, properties, brokerCounter: 1 })
    await store.incomingStorePacket({ id: 'sender' }, message)
    expect(batches).to.deep.equal([])
    const isDuplicate = store.incomingGetPacket({ id: 'sender' }, message).then(() => batches.length)
    await store.outgoingEnqueueCombi(await store.subscriptionsByTopic('a'), {
      ...message,
      messageId: undefined
    })
    expect(batches.map(batch => batch.map(({ key }) => key.split(':')[0]))).to.deep.equal([
      ['outgoing', 'incoming']
    ])
    expect(await isDuplicate, 'a duplicate is answered behind the commit').to.equal(1)
  })

  it('knows after a restart which QoS 2 packets it has, what is queued, retained and subscribed to', async () => {
    const { db } = await memory()
    const before = await open(db)
    await before.addSubscriptions(client, [
      { topic: 'a/#', qos: 1 },
      { topic: 'b', qos: 0 }
    ])
    await before.storeRetained(packet('kept'))
    const message = packet('a/b', { qos: 2, messageId: 9, properties: {}, brokerCounter: 1 })
    await before.incomingStorePacket(client, message)
    await before.outgoingEnqueueCombi(await before.subscriptionsByTopic('a/b'), message)
    const after = await open(db)
    expect(await after.incomingGetPacket(client, message)).to.deep.equal({ messageId: 9 })
    expect(await after.queuedMessages(client.id)).to.equal(1)
    expect((await after.subscriptionsByTopic('a/x')).map(({ topic }) => topic)).to.deep.equal(['a/#'])
    expect(await after.subscriptionsByTopic('b')).to.deep.equal([])
    expect(await topicsOf(after.createRetainedStreamCombi(['#']))).to.deep.equal(['kept'])
    await after.incomingDelPacket(client, message)
    const error = await after.incomingGetPacket(client, message).catch((reason: Error) => reason)
    expect(error).to.be.instanceOf(Error)
  })

  it('keeps subscriptions that overlap apart', async () => {
    const { db } = await memory()
    const store = await open(db)
    await store.addSubscriptions(client, [{ topic: 'a/#', qos: 1 }])
    await store.addSubscriptions(client, [{ topic: 'a/b', qos: 2 }])
    await store.addSubscriptions(client, [{ topic: 'a/c', qos: 1 }])
    const qosOf = async (topic: string) => (await store.subscriptionsByTopic(topic)).map(({ qos }) => qos)
    expect([await qosOf('a/b'), await qosOf('a/c'), await qosOf('a/d')]).to.deep.equal([[2], [1], [1]])
    await store.removeSubscriptions(client, ['a/#'])
    expect([await qosOf('a/b'), await qosOf('a/c'), await qosOf('a/d')]).to.deep.equal([[2], [1], []])
  })

  it('writes the subscriptions of a packet once, though it is handed them once for each', async () => {
    const { db, batches } = await memory()
    const store = await open(db)
    const all = Array.from({ length: 200 }, (_, i) => ({ topic: `t/${i}`, qos: 1 as const }))
    await Promise.all(all.map(() => store.addSubscriptions(client, all)))
    expect(batches.flat()).to.have.length(200)
  })

  it('finds retained messages by a filter, as the standard matches', async () => {
    const { db } = await memory()
    const store = await open(db)
    const topics = ['a', 'a/b', 'a/b/c', 'a_b', 'b', 'ä/b', '$SYS/x', 'a/\u{10ffff}x']
    for (const topic of topics) await store.storeRetained(packet(topic))
    const find = async (...filters: string[]) =>
      (await topicsOf(store.createRetainedStreamCombi(filters))).sort()
    expect(await find('#')).to.deep.equal(topics.filter(topic => !topic.startsWith('$')).sort())
    expect(await find('a/#')).to.deep.equal(['a', 'a/b', 'a/b/c', 'a/\u{10ffff}x'].sort())
    expect(await find('a/+')).to.deep.equal(['a/b', 'a/\u{10ffff}x'].sort())
    expect(await find('+/b')).to.deep.equal(['a/b', 'ä/b'])
    expect(await find('a', 'a/#', 'none')).to.deep.equal(['a', 'a/b', 'a/b/c', 'a/\u{10ffff}x'].sort())
    expect(await find('$SYS/#')).to.deep.equal(['$SYS/x'])
    await store.storeRetained(packet('a', { payload: Buffer.alloc(0) }))
    expect(await find('a')).to.deep.equal([])
  })

  it('reads one chunk at a time for all searches together, and finds for each what is its own', async () => {
    const { db } = await memory()
    const store = await open(db, { maxRetainedMessages: 2_000 })
    for (let i = 0; i < 2_000; i++) await store.storeRetained(packet(`r/${i}`))
    let [reading, most] = [0, 0]
    const keys = db.keys.bind(db)
    db.keys = options => {
      const iterator = keys(options)
      const nextv = iterator.nextv.bind(iterator) as (size: number) => Promise<string[]>
      iterator.nextv = (size: number) => {
        most = Math.max(most, ++reading)
        return nextv(size).finally(() => reading--)
      }
      return iterator
    }
    const found = await Promise.all(
      Array.from({ length: 20 }, (_, i) => topicsOf(store.createRetainedStreamCombi([`+/${i}`])))
    )
    expect(found).to.deep.equal(Array.from({ length: 20 }, (_, i) => [`r/${i}`]))
    expect(most).to.equal(1)
    await store.destroy()
  })

  it('ends a search for retained messages that fails, and tells of it', async () => {
    const { db } = await memory()
    const errors: string[] = []
    const store = await open(db, { onError: error => errors.push(error.message) })
    await store.storeRetained(packet('a'))
    db.get = () => Promise.reject(new Error('the disk is gone'))
    expect(await topicsOf(store.createRetainedStreamCombi(['#']))).to.deep.equal([])
    expect(errors).to.deep.equal(['the disk is gone'])
    const search = store.createRetainedStreamCombi(['#'])
    await store.destroy()
    expect(await topicsOf(search)).to.deep.equal([])
    expect(errors).to.have.length(1)
  })

  it('keeps as many retained messages and as many in a queue as it may, and tells of the others', async () => {
    const { db } = await memory()
    const dropped: string[] = []
    const store = await open(db, {
      maxRetainedMessages: 2,
      maxQueuedMessages: 2,
      onDropped: (what, clientId) => dropped.push(`${what} ${clientId}`)
    })
    for (const topic of ['a', 'b', 'c', 'a']) await store.storeRetained(packet(topic))
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    const subscriptions = await store.subscriptionsByTopic('q')
    for (let i = 1; i <= 3; i++)
      await store.outgoingEnqueueCombi(subscriptions, packet('q', { brokerCounter: i }))
    expect(dropped).to.deep.equal(['retained undefined', `queued ${client.id}`])
    expect(await topicsOf(store.outgoingStream(client))).to.have.length(2)
  })

  it('gives a message of a queue its packet identifier by one commit, and finds it by that', async () => {
    const { db, batches } = await memory()
    const store = await open(db)
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    const subscriptions = await store.subscriptionsByTopic('q')
    for (let i = 1; i <= 3; i++)
      await store.outgoingEnqueueCombi(subscriptions, packet('q', { brokerCounter: i }))
    batches.length = 0
    await store.outgoingUpdate(client, packet('q', { brokerCounter: 2, messageId: 700 }))
    expect(batches.map(batch => batch.map(({ key }) => key.split(':')[0]))).to.deep.equal([
      ['outgoing-id', 'outgoing']
    ])
    const queue: StoredPacket[] = []
    for await (const stored of store.outgoingStream(client)) queue.push(stored as StoredPacket)
    expect(queue.map(({ brokerCounter, messageId }) => [brokerCounter, messageId ?? null])).to.deep.equal([
      [1, null],
      [2, 700],
      [3, null]
    ])
    const cleared = await store.outgoingClearMessageId(client, packet('', { messageId: 700 }))
    expect(cleared?.brokerCounter).to.equal(2)
    expect(await topicsOf(store.outgoingStream(client))).to.have.length(2)
    expect(await store.queuedMessages(client.id)).to.equal(2)
  })

  it('bounds the bytes of a queue, also of one that it finds when it starts', async () => {
    const { db } = await memory()
    const payload = Buffer.alloc(400)
    const fill = async (store: LevelStore, from: number) => {
      const subscriptions = await store.subscriptionsByTopic('q')
      for (let i = from; i < from + 4; i++) {
        await store.outgoingEnqueueCombi(subscriptions, packet('q', { payload, brokerCounter: i }))
      }
    }
    const before = await open(db, { maxQueuedBytes: 1_000 })
    await before.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    await fill(before, 1)
    expect(await before.queuedMessages(client.id)).to.equal(2)
    const after = await open(db, { maxQueuedBytes: 1_500 })
    await fill(after, 11)
    expect(await after.queuedMessages(client.id)).to.be.within(2, 3)
  })

  it('forgets the session of a subject that connected longest ago and is not open, for a new one', async () => {
    const { db } = await memory()
    const store = await open(db)
    const ids = [1, 2, 3].map(number => `user%3A1/${number}`)
    for (const id of ['user%3A2/x', ...ids]) await store.addSubscriptions({ id }, [{ topic: id, qos: 1 }])
    const [first = '', second = '', third = ''] = ids
    await store.makeRoomFor(first, 3, () => false)
    const left = async () => {
      const found = await Promise.all([...ids, 'user%3A2/x'].map(id => store.subscriptionsByClient({ id })))
      return found.map(subscriptions => subscriptions.length)
    }
    expect(await left(), 'there is room').to.deep.equal([1, 1, 1, 1])
    await store.makeRoomFor('user%3A1/4', 3, id => id === second)
    expect(await left(), 'the second is open, the first connected last').to.deep.equal([1, 1, 0, 1])
    await store.makeRoomFor(third, 1, () => false)
    expect(await left()).to.deep.equal([0, 0, 0, 1])
  })

  it('resolves writes in the order in which they were asked for', async () => {
    const { db } = await memory()
    const store = await open(db)
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    const subscriptions = await store.subscriptionsByTopic('q')
    const order: number[] = []
    const writes = Array.from({ length: 100 }, (_, i) => {
      return store
        .outgoingEnqueueCombi(subscriptions, packet('q', { brokerCounter: i + 1 }))
        .then(() => order.push(i))
    })
    await Promise.all(writes)
    expect(order).to.deep.equal(Array.from({ length: 100 }, (_, i) => i))
  })

  it('forgets the queue of a session that begins anew', async () => {
    const { db } = await memory()
    const store = await open(db)
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    await store.outgoingEnqueueCombi(await store.subscriptionsByTopic('q'), packet('q', { brokerCounter: 1 }))
    await store.cleanSubscriptions(client)
    expect(await topicsOf(store.outgoingStream(client))).to.deep.equal([])
    expect(await store.subscriptionsByTopic('q')).to.deep.equal([])
    expect(await store.queuedMessages(client.id)).to.equal(0)
  })
})
