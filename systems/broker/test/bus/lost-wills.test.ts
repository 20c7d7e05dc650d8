import { expect } from 'chai'
import { LostWills } from '../../lib/bus/lost-wills'
import type { AedesPacket } from '../../lib/core/aedes-packet'
import { Counters } from '../../lib/core/counters'
import { SILENT } from '../../lib/core/log'
import { openStore } from '../../lib/store/open-store'
import type { Store } from '../../lib/store/store'
import { until } from '../helpers/test-broker'
import { STORE_OPTIONS } from '../store/contract'

function open(): Promise<Store> {
  return openStore({}, STORE_OPTIONS)
}

function will(topic: string) {
  return { cmd: 'publish', topic, payload: Buffer.from('{}'), qos: 1 as const, retain: true }
}

describe('The wills of clients whose broker is gone', () => {
  let store: Store
  let wills: LostWills | undefined
  let sent: AedesPacket[]

  const begin = (publish = async (packet: AedesPacket) => void sent.push(packet)) => {
    const counters = new Counters()
    wills = new LostWills({
      brokerId: 'me',
      store,
      counters,
      log: SILENT,
      isShared: false,
      publish,
      grace: 10
    })
    return counters
  }

  beforeEach(async () => {
    store = await open()
    sent = []
  })
  afterEach(async () => {
    wills?.close()
    await store.destroy()
  })

  it('are sent as they were left, and forgotten', async () => {
    await store.setup({ id: 'dead' })
    await store.putWill({ id: 'user%3A7/phone' }, will('gone'))
    const counters = begin()
    await until('it is sent', () => sent.length === 1)
    const { topic, payload, qos, retain, brokerId } = sent[0] as AedesPacket
    expect({ topic, payload: payload.toString(), qos, retain, brokerId }).to.deep.equal({
      topic: 'gone',
      payload: '{}',
      qos: 1,
      retain: true,
      brokerId: undefined // it is a message of this broker
    })
    await until('it is counted', () => counters.published === 1)
    expect(await store.streamWill({}).toArray()).to.deep.equal([])
  })

  it('are not those of clients that are connected here', async () => {
    await store.setup({ id: 'dead' })
    await store.putWill({ id: 'back' }, will('back'))
    await store.putWill({ id: 'gone' }, will('gone'))
    await store.setup({ id: 'me' })
    await store.putWill({ id: 'back' }, will('back'))
    begin()
    await until('one is sent', () => sent.length > 0)
    expect(sent.map(({ topic }) => topic)).to.deep.equal(['gone'])
    expect(await store.streamWill({}).toArray()).to.have.length(1)
  })

  it('stay when they could not be published', async () => {
    await store.setup({ id: 'dead' })
    await store.putWill({ id: 'gone' }, will('gone'))
    let tried = 0
    begin(() => {
      tried++
      return Promise.reject(new Error('the store is away'))
    })
    await until('it was tried', () => tried === 1)
    expect(await store.streamWill({}).toArray()).to.have.length(1)
  })
})
