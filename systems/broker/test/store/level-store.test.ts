import { expect } from 'chai'
import { MemoryLevel } from 'memory-level'
import type { Database, Operation } from '../../lib/store/commit-queue'
import { LevelStore, type LevelStoreOptions } from '../../lib/store/level-store'
import { client, describeStore, packet, STORE_OPTIONS, topicsOf } from './contract'

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
  const store = new LevelStore(db, { ...STORE_OPTIONS, sync: false, ...options })
  await store.setup({ id: 'b' })
  return store
}

describe('The store in Level', () => {
  describe('as each store', () => {
    describeStore(async () => {
      const { db } = await memory()
      let starts = 0
      return {
        open: async options => {
          const store = new LevelStore(db, { ...STORE_OPTIONS, sync: false, ...options })
          await store.setup({ id: starts++ === 0 ? 'b' : `b${starts}` })
          return store
        }
      }
    })
  })

  it('writes a QoS 2 message and its places in the queues by one commit', async () => {
    const { db, batches } = await memory()
    const store = await open(db)
    await store.addSubscriptions(client, [{ topic: 'a', qos: 2 }])
    batches.length = 0
    const properties = {}
    const message = packet('a', { qos: 2, messageId: 7, properties, brokerCounter: 1 })
    await store.incomingStorePacket({ id: 'sender' }, message)
    expect(batches).to.deep.equal([])
    await store.outgoingEnqueueCombi(await store.subscriptionsByTopic('a'), {
      ...message,
      messageId: undefined
    })
    expect(batches.map(batch => batch.map(({ key }) => key.split(':')[0]))).to.deep.equal([
      ['outgoing', 'incoming']
    ])
  })

  it('counts a session of which it has incoming packets only, and keeps nothing of them but their identifiers', async () => {
    const { db, batches } = await memory()
    const receive = async (store: LevelStore, id: string, more: object = {}) => {
      const message = packet('a', { qos: 2, messageId: 7, properties: {}, payload: Buffer.alloc(10_000) })
      await store.incomingStorePacket({ id, ...more }, message)
      await store.outgoingEnqueueCombi([], { ...message, messageId: undefined })
    }
    const isKept = async (store: LevelStore, id: string) => {
      const found = await store
        .incomingGetPacket({ id }, packet('a', { messageId: 7 }))
        .catch(() => undefined)
      return found !== undefined
    }
    const store = await open(db)
    const connect = (of: LevelStore, id: string) => of.makeRoomFor(id, 2, each => each.endsWith('/open'))
    for (const id of ['u/1', 'u/2', 'u/3']) {
      await connect(store, id)
      await receive(store, id)
    }
    const [written = []] = batches
    expect((written[0] as { value: Buffer }).value.length).to.be.lessThan(500)
    expect([await isKept(store, 'u/1'), await isKept(store, 'u/2')]).to.deep.equal([false, true])
    await receive(store, 'u/open', { clean: true })
    await connect(store, 'u/3')
    expect(await isKept(store, 'u/2'), 'a clean one does not count').to.equal(true)
    const later = await open(db)
    await connect(later, 'u/4')
    expect(await isKept(later, 'u/2'), 'those of an earlier start count').to.equal(false)
    await later.addSubscriptions({ id: 'w/1' }, [{ topic: 'a', qos: 1 }])
    await receive(later, 'w/2')
    await later.incomingDelPacket({ id: 'w/2' }, packet('a', { messageId: 7 }))
    await connect(later, 'w/3')
    expect(await later.subscriptionsByTopic('a'), 'what is completed does not count').to.have.length(1)
  })

  it('writes the subscriptions of a packet once, though it is handed them once for each', async () => {
    const { db, batches } = await memory()
    const store = await open(db)
    const all = Array.from({ length: 200 }, (_, i) => ({ topic: `t/${i}`, qos: 1 as const }))
    await Promise.all(all.map(() => store.addSubscriptions(client, all)))
    expect(batches.flat()).to.have.length(200)
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

  it('gives a message of a queue its packet identifier by one commit', async () => {
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
  })
})
