import { expect } from 'chai'
import { MemoryLevel } from 'memory-level'
import type { StoredPacket } from '../../lib/store/base-persistence'
import type { Database } from '../../lib/store/commit-queue'
import { LevelStore } from '../../lib/store/level-store'
import { client, packet, publish, read, STORE_OPTIONS } from './contract'

const sender = { id: 'sender' }

/** Of one message of QoS 2 and one of QoS 1: all that a broker asks of its store, in the order of the packets. */
const OPERATIONS: readonly ((store: LevelStore) => Promise<unknown>)[] = [
  store => store.addSubscriptions(client, [{ topic: '#', qos: 2 }]),
  store => receive(store, 7),
  store => receive(store, 8),
  store => store.outgoingUpdate(client, packet('7', { qos: 2, brokerCounter: 1, messageId: 500 })),
  store => store.outgoingUpdate(client, packet('8', { qos: 2, brokerCounter: 2, messageId: 501 })),
  store => store.incomingDelPacket(sender, packet('7', { messageId: 7 })),
  store => store.outgoingUpdate(client, { cmd: 'pubrel', messageId: 500 } as StoredPacket),
  // A client that comes back is sent what was sent before.
  store => store.outgoingUpdate(client, packet('8', { qos: 2, brokerCounter: 2, messageId: 501 })),
  async store => {
    const [pubrel] = await read(store.outgoingStream(client))
    await store.outgoingUpdate(client, pubrel as StoredPacket)
  },
  store => store.outgoingClearMessageId(client, packet('', { messageId: 500 })),
  store => publish(store, 'last'),
  store => store.outgoingUpdate(client, packet('last', { brokerCounter: 3, messageId: 502 })),
  store => store.outgoingClearMessageId(client, packet('', { messageId: 502 })),
  store => store.storeRetained(packet('kept', { retain: true })),
  store => store.putWill(client, packet('will')),
  store => store.delWill(client),
  store => store.removeSubscriptions(client, ['#'])
]

describe('The store in Level, of a process that is killed', () => {
  it('has done each operation wholly or not at all, whichever commit was the last', async () => {
    for (let commits = 0; ; commits++) {
      const db = await memory()
      const { done, isCut } = await runUntil(db, commits)
      if (!isCut) break
      const before = await memory()
      await runAll(before, done)
      const after = await memory()
      await runAll(after, done + 1)
      const states = [await stateOf(before), await stateOf(after)]
      expect(states, `operation ${done + 1}, after ${commits} commits`).to.deep.include(await stateOf(db))
    }
  })
})

/** As aedes stores a QoS 2 message that a client sends. */
async function receive(store: LevelStore, messageId: number): Promise<void> {
  const message = packet(String(messageId), { qos: 2, messageId, properties: {} })
  await store.incomingStorePacket(sender, message)
  await store.outgoingEnqueueCombi(await store.subscriptionsByTopic(message.topic), {
    ...message,
    messageId: undefined
  })
}

async function memory(): Promise<Database> {
  const level = new MemoryLevel<string, Buffer>({ keyEncoding: 'utf8', valueEncoding: 'buffer' })
  await level.open()
  return level as Database
}

async function open(db: Database): Promise<LevelStore> {
  const store = new LevelStore(db, { ...STORE_OPTIONS, sync: false })
  await store.setup({ id: 'b' })
  return store
}

async function runAll(db: Database, most: number): Promise<void> {
  const store = await open(db)
  for (const operation of OPERATIONS.slice(0, most)) await operation(store)
}

/** Runs the operations until so many commits are written: the next one never is. @returns how many operations were done */
async function runUntil(db: Database, commits: number): Promise<{ done: number; isCut: boolean }> {
  const batch = db.batch.bind(db)
  let [left, done] = [commits, 0]
  const isCut = new Promise<boolean>(resolve => {
    db.batch = (operations, options) => {
      if (left-- > 0) return batch(operations, options)
      resolve(true)
      return new Promise(() => undefined)
    }
  })
  const store = await open(db)
  const all = (async () => {
    for (const operation of OPERATIONS) {
      await operation(store)
      done++
    }
    return false
  })()
  return { isCut: await Promise.race([isCut, all]), done }
}

/** What the next start of a broker finds. */
async function stateOf(db: Database): Promise<unknown> {
  const store = await open(db)
  const of = (packets: StoredPacket[]) =>
    packets.map(({ cmd, topic, brokerCounter, messageId }) => ({ cmd, topic, brokerCounter, messageId }))
  const isIncoming = (messageId: number) =>
    store.incomingGetPacket(sender, packet('', { messageId })).then(
      () => true,
      () => false
    )
  return {
    subscriptions: await store.subscriptionsByClient(client),
    sent: of(await read(store.outgoingStream(client))),
    unsent: of(await read(store.outgoingUnsent(client, 0))),
    incoming: [await isIncoming(7), await isIncoming(8)],
    retained: of(await read(store.createRetainedStreamCombi(['#']))),
    wills: of(await read(store.streamWill({})))
  }
}
