import { expect } from 'chai'
import type { StoredPacket } from '../../lib/store/base-persistence'
import type { Store, StoreOptions } from '../../lib/store/store'

/** A store that is closed with its test. */
export type OpenStore = (options?: Partial<StoreOptions>) => Promise<Store>

export interface Place {
  /** Opens the same place again, as another start of a broker does. */
  readonly open: OpenStore
}

export const STORE_OPTIONS: StoreOptions = {
  maxQueuedMessages: 1_000,
  maxQueuedBytes: 1_000_000,
  maxRetainedMessages: 100,
  onDropped: () => undefined,
  onError: error => {
    throw error
  },
  onWarning: () => undefined,
  maySubscribe: () => true,
  openSessions: () => [],
  cut: () => undefined,
  onDown: () => undefined,
  onUp: () => undefined
}

export const client = { id: 'user%3A1/phone' }

export function packet(topic: string, more: Partial<StoredPacket> = {}): StoredPacket {
  return { cmd: 'publish', topic, payload: Buffer.from('x'), qos: 1, retain: false, brokerId: 'b', ...more }
}

/** As aedes publishes with QoS 1 or 2. @returns it, with its number */
export async function publish(
  store: Store,
  topic: string,
  more: Partial<StoredPacket> = {}
): Promise<StoredPacket> {
  const message = packet(topic, more)
  if (message.retain) await store.storeRetained(message)
  await store.outgoingEnqueueCombi(await store.subscriptionsByTopic(topic), message)
  return message
}

export async function read(stream: AsyncIterable<StoredPacket>): Promise<StoredPacket[]> {
  const packets: StoredPacket[] = []
  for await (const each of stream) packets.push(each)
  return packets
}

export async function topicsOf(stream: AsyncIterable<StoredPacket>): Promise<string[]> {
  return (await read(stream)).map(({ topic }) => topic)
}

const textsOf = (packets: readonly StoredPacket[]) => packets.map(({ payload }) => payload.toString())

/** What each store does. @param makePlace an empty one */
export function describeStore(makePlace: () => Promise<Place>): void {
  let open: OpenStore

  beforeEach(async () => {
    ;({ open } = await makePlace())
  })

  it('answers a duplicate of a QoS 2 packet behind the commit of its message', async () => {
    const store = await open()
    const message = packet('a', { qos: 2, messageId: 7, properties: {} })
    await store.incomingStorePacket({ id: 'sender' }, message)
    let isStored = false
    const duplicate = store.incomingGetPacket({ id: 'sender' }, message).then(() => isStored)
    await store.outgoingEnqueueCombi([], { ...message, messageId: undefined }).then(() => {
      isStored = true
    })
    expect(await duplicate).to.equal(true)
  })

  it('knows after a restart which QoS 2 packets it has, what is queued, retained and subscribed to', async () => {
    const before = await open()
    await before.addSubscriptions(client, [
      { topic: 'a/#', qos: 1 },
      { topic: 'b', qos: 0 }
    ])
    await publish(before, 'kept', { retain: true })
    const message = packet('a/b', { qos: 2, messageId: 9, properties: {} })
    await before.incomingStorePacket(client, message)
    await before.outgoingEnqueueCombi(await before.subscriptionsByTopic('a/b'), message)
    const after = await open()
    expect(await after.incomingGetPacket(client, message)).to.deep.equal({ messageId: 9 })
    expect(await after.queuedMessages(client.id)).to.equal(1)
    expect((await after.subscriptionsByTopic('a/x')).map(({ topic }) => topic)).to.deep.equal(['a/#'])
    expect(await after.subscriptionsByTopic('b')).to.deep.equal([])
    const subscriptions = (await after.subscriptionsByClient(client)).map(
      ({ topic, qos }) => `${topic} ${qos}`
    )
    expect(subscriptions.sort()).to.deep.equal(['a/# 1', 'b 0'])
    expect(await topicsOf(after.createRetainedStreamCombi(['#']))).to.deep.equal(['kept'])
    await after.incomingDelPacket(client, message)
    const error = await after.incomingGetPacket(client, message).catch((reason: Error) => reason)
    expect(error).to.be.instanceOf(Error)
  })

  it('keeps a message whole: its payload of any bytes, its QoS as granted, its sender', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'ä/#', qos: 1 }])
    const payload = Buffer.from([0, 255, 10, 13, 82, 0xc3, 0x28])
    const properties = { userProperties: { sub: '7', kind: 'user' } }
    await publish(store, 'ä/ö\u{1f600}', { qos: 2, payload, properties })
    await publish(store, 'ä/empty', { payload: Buffer.alloc(0) })
    const [first, second] = await read(store.outgoingUnsent(client, 0))
    expect(first).to.deep.include({
      cmd: 'publish',
      topic: 'ä/ö\u{1f600}',
      qos: 1,
      retain: false,
      properties
    })
    expect(first?.payload.equals(payload)).to.equal(true)
    expect(second?.payload.length).to.equal(0)
  })

  it('keeps subscriptions that overlap apart', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'a/#', qos: 1 }])
    await store.addSubscriptions(client, [{ topic: 'a/b', qos: 2 }])
    await store.addSubscriptions(client, [{ topic: 'a/c', qos: 1 }])
    const qosOf = async (topic: string) => (await store.subscriptionsByTopic(topic)).map(({ qos }) => qos)
    expect([await qosOf('a/b'), await qosOf('a/c'), await qosOf('a/d')]).to.deep.equal([[2], [1], [1]])
    await store.removeSubscriptions(client, ['a/#'])
    expect([await qosOf('a/b'), await qosOf('a/c'), await qosOf('a/d')]).to.deep.equal([[2], [1], []])
  })

  it('changes the QoS of a subscription that is made again', async () => {
    const store = await open()
    for (const qos of [1, 2, 0] as const) {
      await store.addSubscriptions(client, [{ topic: 'a', qos }])
      expect(await store.subscriptionsByClient(client)).to.deep.equal([{ topic: 'a', qos }])
    }
    expect(await store.subscriptionsByTopic('a')).to.deep.equal([])
  })

  it('stores no subscription that was refused beside others', async () => {
    const store = await open({ maySubscribe: (_client, filter) => filter !== 'secret' })
    await store.addSubscriptions(client, [
      { topic: 'a', qos: 1 },
      { topic: 'secret', qos: 1 }
    ])
    expect(await store.subscriptionsByClient(client)).to.deep.equal([{ topic: 'a', qos: 1 }])
    expect(await store.subscriptionsByTopic('secret')).to.deep.equal([])
  })

  it('finds retained messages by a filter, as the standard matches', async () => {
    const store = await open()
    const topics = ['a', 'a/b', 'a/b/c', 'a_b', 'b', 'ä/b', '$SYS/x', 'a/\u{10ffff}x']
    for (const [at, topic] of topics.entries()) {
      if (at % 2 === 0) await publish(store, topic, { retain: true })
      else await store.storeRetained(packet(topic, { qos: 0, retain: true }))
    }
    const find = async (...filters: string[]) =>
      (await topicsOf(store.createRetainedStreamCombi(filters))).sort()
    expect(await find('#')).to.deep.equal(topics.filter(topic => !topic.startsWith('$')).sort())
    expect(await find('a/#')).to.deep.equal(['a', 'a/b', 'a/b/c', 'a/\u{10ffff}x'].sort())
    expect(await find('a/+')).to.deep.equal(['a/b', 'a/\u{10ffff}x'].sort())
    expect(await find('+/b')).to.deep.equal(['a/b', 'ä/b'])
    expect(await find('a', 'a/#', 'none')).to.deep.equal(['a', 'a/b', 'a/b/c', 'a/\u{10ffff}x'].sort())
    expect(await find('$SYS/#')).to.deep.equal(['$SYS/x'])
    await publish(store, 'a', { retain: true, payload: Buffer.alloc(0) })
    await store.storeRetained(packet('b', { qos: 0, retain: true, payload: Buffer.alloc(0) }))
    expect(await find('a', 'b')).to.deep.equal([])
  })

  it('finds all of many retained messages, each with its QoS and the flag', async () => {
    const store = await open({ maxRetainedMessages: 2_000 })
    const topics = Array.from({ length: 1_200 }, (_, i) => `r/${i}`)
    await Promise.all(topics.map(topic => publish(store, topic, { retain: true, qos: 2 })))
    const found = await read(store.createRetainedStreamCombi(['r/+']))
    expect(found.map(({ topic }) => topic).sort()).to.deep.equal(topics.sort())
    expect(found.every(({ retain, qos }) => retain && qos === 2)).to.equal(true)
  })

  it('keeps as many retained messages and as many in a queue as it may, and tells of the others', async () => {
    const dropped: string[] = []
    const store = await open({
      maxRetainedMessages: 2,
      maxQueuedMessages: 2,
      onDropped: (what, clientId) => dropped.push(`${what} ${clientId}`)
    })
    for (const topic of ['a', 'b', 'c', 'a']) await publish(store, topic, { retain: true })
    await store.storeRetained(packet('d', { qos: 0, retain: true }))
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    for (let i = 0; i < 3; i++) await publish(store, 'q')
    expect(dropped).to.deep.equal(['retained undefined', 'retained undefined', `queued ${client.id}`])
    expect(await topicsOf(store.outgoingUnsent(client, 0))).to.have.length(2)
    expect((await topicsOf(store.createRetainedStreamCombi(['#']))).sort()).to.deep.equal(['a', 'b'])
  })

  it('bounds the bytes of a queue, also of one that it finds when it starts', async () => {
    const payload = Buffer.alloc(400)
    const fill = async (store: Store) => {
      for (let i = 0; i < 4; i++) await publish(store, 'q', { payload })
    }
    const before = await open({ maxQueuedBytes: 1_000 })
    await before.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    await fill(before)
    expect(await before.queuedMessages(client.id)).to.equal(2)
    const after = await open({ maxQueuedBytes: 1_500 })
    await fill(after)
    expect(await after.queuedMessages(client.id)).to.be.within(2, 3)
  })

  it('numbers messages in the order in which they were asked for, and resolves in that order', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    const order: number[] = []
    const messages = await Promise.all(
      Array.from({ length: 600 }, async (_, i) => {
        const message = await publish(store, i % 3 === 0 ? 'nobody' : 'q', {
          payload: Buffer.from(String(i))
        })
        if (i % 3 !== 0) order.push(i)
        return message
      })
    )
    expect(order).to.deep.equal([...order].sort((a, b) => a - b))
    const numbers = messages.map(({ brokerCounter = 0 }) => brokerCounter)
    expect(numbers).to.deep.equal([...new Set(numbers)].sort((a, b) => a - b))
    const queued = await read(store.outgoingUnsent(client, 0))
    expect(textsOf(queued)).to.deep.equal(order.map(String))
  })

  it('gives a message of a queue its packet identifier, keeps it until it is acknowledged, and then not', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    const messages = [await publish(store, 'q'), await publish(store, 'q'), await publish(store, 'q')]
    const second = messages[1] as StoredPacket
    await store.outgoingUpdate(client, { ...second, messageId: 700 })
    const states = async (from: AsyncIterable<StoredPacket>) =>
      (await read(from)).map(({ brokerCounter = 0, messageId }) => [
        messages.findIndex(message => message.brokerCounter === brokerCounter),
        messageId ?? null
      ])
    const all = [
      [0, null],
      [1, 700],
      [2, null]
    ]
    expect(await states(store.outgoingStream(client))).to.deep.equal([all[1]])
    expect(await states(store.outgoingUnsent(client, 0))).to.deep.equal([all[0], all[2]])
    expect(
      (await store.outgoingClearMessageId(client, packet('', { messageId: 700 })))?.brokerCounter
    ).to.equal(second.brokerCounter)
    expect(await store.outgoingClearMessageId(client, packet('', { messageId: 700 }))).to.equal(undefined)
    expect(await states(store.outgoingStream(client))).to.deep.equal([])
    expect(await states(store.outgoingUnsent(client, 0))).to.deep.equal([all[0], all[2]])
    expect(await store.queuedMessages(client.id)).to.equal(2)
  })

  it('sends what was sent before again as a duplicate, under a new identifier', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    const message = await publish(store, 'q')
    await store.outgoingUpdate(client, { ...message, messageId: 5 })
    const [again] = await read(store.outgoingStream(client))
    expect(again).to.deep.include({ messageId: 5, dup: true })
    await store.outgoingUpdate(client, { ...(again as StoredPacket), messageId: 6 })
    expect((await store.outgoingClearMessageId(client, packet('', { messageId: 6 })))?.topic).to.equal('q')
    expect(await topicsOf(store.outgoingStream(client))).to.deep.equal([])
    expect(await store.queuedMessages(client.id)).to.equal(0)
  })

  it('gives what was sent before in the order of the queue, whatever its identifiers are', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    const messages: StoredPacket[] = []
    for (const messageId of [65_535, 1, 2]) {
      const message = await publish(store, 'q')
      messages.push(message)
      await store.outgoingUpdate(client, { ...message, messageId })
    }
    const again = await read(store.outgoingStream(client))
    expect(again.map(({ brokerCounter }) => brokerCounter)).to.deep.equal(
      messages.map(({ brokerCounter }) => brokerCounter)
    )
    expect(again.map(({ messageId }) => messageId)).to.deep.equal([65_535, 1, 2])
    expect(await read(store.outgoingStream({ ...client, clean: true }))).to.deep.equal([])
  })

  it('keeps of a QoS 2 message its PUBREL until PUBCOMP', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'q', qos: 2 }])
    const message = await publish(store, 'q', { qos: 2 })
    await publish(store, 'q', { qos: 2 })
    await store.outgoingUpdate(client, { ...message, messageId: 5 })
    await store.outgoingUpdate(client, { cmd: 'pubrel', messageId: 5 } as StoredPacket)
    const left = (await read(store.outgoingStream(client))).map(({ cmd, messageId }) => [
      cmd,
      messageId ?? null
    ])
    expect(left).to.deep.equal([['pubrel', 5]])
    const [pubrel] = await read(store.outgoingStream(client))
    expect(pubrel, 'a PUBREL has no flag of a duplicate').to.not.have.property('dup', true)
    expect(await topicsOf(store.outgoingUnsent(client, 0))).to.deep.equal(['q'])
    await store.outgoingClearMessageId(client, packet('', { messageId: 5 }))
    expect(await store.queuedMessages(client.id)).to.equal(1)
  })

  it('gives a message its place whose subscription came while it was being stored', async () => {
    const store = await open()
    const message = await publish(store, 'q')
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    await store.outgoingUpdate(client, { ...message, messageId: 5 })
    expect((await read(store.outgoingStream(client))).map(({ messageId }) => messageId)).to.deep.equal([5])
    expect((await store.outgoingClearMessageId(client, packet('', { messageId: 5 })))?.topic).to.equal('q')
    expect(await topicsOf(store.outgoingStream(client))).to.deep.equal([])
  })

  it('removes a message of a session that has no packet identifiers', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    const messages = [await publish(store, 'q'), await publish(store, 'q')]
    await store.outgoingRemove(client, messages[0] as StoredPacket)
    const left = (await read(store.outgoingUnsent(client, 0))).map(({ brokerCounter }) => brokerCounter)
    expect(left).to.deep.equal([messages[1]?.brokerCounter])
    expect(await store.queuedMessages(client.id)).to.equal(1)
  })

  it('forgets the session of a subject that connected longest ago and is not open, for a new one', async () => {
    const store = await open()
    const ids = [1, 2, 3].map(number => `user%3A1/${number}`)
    const pause = () => new Promise(resolve => setTimeout(resolve, 3)) // Redis counts milliseconds
    for (const id of ['user%3A2/x', ...ids]) {
      await store.addSubscriptions({ id }, [{ topic: id, qos: 1 }])
      await pause()
    }
    const [first = '', second = '', third = ''] = ids
    const connect = async (id: string, most: number, isOpen: (id: string) => boolean = () => false) => {
      await store.makeRoomFor(id, most, isOpen)
      await store.subscriptionsByClient({ id })
      await pause()
    }
    await connect(first, 3)
    const left = async () => {
      const found = await Promise.all([...ids, 'user%3A2/x'].map(id => store.subscriptionsByTopic(id)))
      return found.map(subscriptions => subscriptions.length)
    }
    expect(await left(), 'there is room').to.deep.equal([1, 1, 1, 1])
    await connect('user%3A1/4', 3, id => id === second)
    expect(await left(), 'the second is open, the first connected last').to.deep.equal([1, 1, 0, 1])
    await connect(third, 1)
    expect(await left()).to.deep.equal([0, 0, 0, 1])
  })

  it('forgets the queue of a session that begins anew', async () => {
    const store = await open()
    await store.addSubscriptions(client, [{ topic: 'q', qos: 1 }])
    await publish(store, 'q')
    const sent = await publish(store, 'q')
    await store.outgoingUpdate(client, { ...sent, messageId: 5 })
    await store.cleanSubscriptions(client)
    expect(await topicsOf(store.outgoingStream(client))).to.deep.equal([])
    expect(await topicsOf(store.outgoingUnsent(client, 0))).to.deep.equal([])
    expect(await store.subscriptionsByTopic('q')).to.deep.equal([])
    expect(await store.subscriptionsByClient(client)).to.deep.equal([])
    expect(await store.queuedMessages(client.id)).to.equal(0)
  })

  it('keeps a will until its connection has ended, and tells what it was', async () => {
    const store = await open()
    const will = packet('gone', { payload: Buffer.from([0, 255]) })
    await store.putWill(client, will)
    const own = { ...client, brokerId: will.brokerId as string }
    const deleted = await store.delWill(own)
    expect(deleted).to.deep.include({ topic: 'gone', qos: 1, clientId: client.id })
    expect(deleted?.payload.equals(Buffer.from([0, 255]))).to.equal(true)
    expect(await store.delWill(client)).to.equal(undefined)
  })
}
