import { createBus, MemoryHub } from '@token-server/service'
import { expect } from 'chai'
import { closed, deviceToken, inbox, TestBroker, until } from '../helpers/test-broker'

/** Brokers in one process, each with a store of its own: what crosses, crosses by the bus. */
describe('Brokers on one bus', () => {
  let hub: MemoryHub
  let brokers: TestBroker[]

  const start = async (): Promise<TestBroker> => {
    const broker = await TestBroker.start({ bus: createBus({ name: 'broker', hub }) })
    brokers.push(broker)
    return broker
  }

  beforeEach(() => {
    hub = new MemoryHub()
    brokers = []
  })
  afterEach(() => Promise.all(brokers.map(broker => broker.stop())))

  for (const qos of [0, 1, 2] as const) {
    it(`carry a command to a handler at another broker, and the answer back, once each, QoS ${qos}`, async () => {
      const [one, other] = [await start(), await start()]
      const handler = await other.handler('contacts')
      await handler.subscribeAsync('get_contact_list', { qos })
      handler.on('message', (_topic, payload) => {
        handler.publish(`${JSON.parse(payload.toString()).user_id}_contact_list`, '["Ada"]', { qos })
      })
      const device = await one.device('68946')
      await device.subscribeAsync('68946_contact_list', { qos })
      const received = inbox(device)
      for (let sent = 1; sent <= 20; sent++) {
        await device.publishAsync('get_contact_list', '{}', { qos })
        await until('the list comes', () => received.length === sent)
      }
      await device.publishAsync('get_contact_list', '{}', { qos })
      await until('the last list comes', () => received.length > 20)
      expect(received).to.have.length(21)
      expect(received[0]).to.deep.equal({
        topic: '68946_contact_list',
        payload: '["Ada"]',
        qos,
        retain: false
      })
    })
  }

  it('keep the order of a publisher, and the sender that its broker verified', async () => {
    const [one, other] = [await start(), await start()]
    const heard: string[] = []
    const senders = new Set<string>()
    other.broker.subscribe('count', ({ payload, sender }) => {
      heard.push(payload.toString())
      senders.add(`${sender?.kind} ${sender?.id}`)
    })
    const device = await one.device('7')
    const numbers = Array.from({ length: 100 }, (_, index) => String(index))
    await Promise.all(
      numbers.map((text, index) => device.publishAsync('count', text, { qos: index % 2 ? 1 : 0 }))
    )
    await until('all come', () => heard.length === 100)
    const kept = (rest: number) => heard.filter(text => Number(text) % 2 === rest)
    expect(kept(0)).to.deep.equal(numbers.filter(text => Number(text) % 2 === 0))
    expect(kept(1)).to.deep.equal(numbers.filter(text => Number(text) % 2 === 1))
    expect([...senders]).to.deep.equal(['user 7'])
  })

  it('give a message to those who are here before publish() returns to its caller', async () => {
    const one = await start()
    let heard = 0
    one.broker.subscribe('x_y', () => heard++)
    // A turn of the event loop that has lasted long since the first message in it leaves what comes to the next one.
    await new Promise(resolve => setImmediate(resolve))
    const published = one.broker.publish({ topic: 'x_y', payload: '' })
    expect(heard).to.equal(1)
    await published
  })

  it('tell a live subscriber of a retained message without the flag, as of any new message', async () => {
    const [one, other] = [await start(), await start()]
    const device = await other.device('7')
    await device.subscribeAsync('7_state')
    const received = inbox(device)
    const handler = await one.handler('h')
    await handler.publishAsync('7_state', 'on', { retain: true })
    await until('it comes', () => received.length > 0)
    expect(received).to.deep.equal([{ topic: '7_state', payload: 'on', qos: 0, retain: false }])
  })

  it('close a client whose id connects to another broker, send its will, and say why', async () => {
    const [one, other] = [await start(), await start()]
    const watcher = await other.handler('w')
    await watcher.subscribeAsync('gone')
    const wills = inbox(watcher)
    const first = await one.device('7', {
      clientId: 'phone',
      will: { topic: 'gone', payload: '{}', qos: 0, retain: false }
    })
    const ended = closed(first)
    const second = await other.device('7', { clientId: 'phone' })
    await ended
    await until('the will comes', () => wills.length === 1)
    await until('the log says it', () => one.lines.some(({ message }) => message === 'disconnected'))
    const line = one.lines.find(({ message }) => message === 'disconnected')
    expect(line?.fields.reason).to.equal('the client has connected to another broker')
    expect(one.broker.counters.takenOver).to.equal(1)
    await second.publishAsync('ping', '', { qos: 1 })
    expect(second.connected).to.equal(true)
  })

  it('leave alone clients of the same name of another user', async () => {
    const [one, other] = [await start(), await start()]
    const first = await one.device('7', { clientId: 'phone' })
    await other.device('8', { clientId: 'phone' })
    await other.device('9', { clientId: 'other' })
    await first.publishAsync('ping', '', { qos: 1 })
    expect(one.broker.counters.takenOver).to.equal(0)
  })

  it('keep what aedes tells itself to themselves', async () => {
    const [one, other] = [await start(), await start()]
    const heard: string[] = []
    other.broker.subscribe('$SYS/#', ({ topic }) => heard.push(topic.split('/').slice(2).join('/')))
    const device = await one.device('7')
    await device.subscribeAsync('7_a')
    await other.broker.publish({ topic: 'end', payload: '' })
    await one.broker.publish({ topic: 'end', payload: '' })
    expect(heard).to.deep.equal([])
  })

  it('end the connections of a token that is revoked at any of them, at once', async () => {
    const [one, other] = [await start(), await start()]
    const device = await other.client(await deviceToken('7', { jti: 'lost-phone' }))
    const stays = await other.device('8')
    const ended = closed(device)
    one.verifier.revocations.revoke({ tokenId: 'lost-phone' })
    await ended
    expect(other.broker.counters.tokenEnded).to.equal(1)
    expect(stays.connected).to.equal(true)
  })

  it('tell a broker that starts later what was revoked before', async () => {
    const one = await start()
    one.verifier.revocations.revoke({ id: '7' })
    const later = await start()
    await until('it is told', () => later.verifier.revocations.size === 1)
    expect(later.verifier.revocations.list()).to.deep.equal([{ id: '7' }])
  })

  it('do not tell each other without an end when two of them revoke the same id differently', async () => {
    const buses = [createBus({ name: 'broker', hub }), createBus({ name: 'broker', hub })] as const
    for (const bus of buses) brokers.push(await TestBroker.start({ bus }))
    const [one, other] = brokers as [TestBroker, TestBroker]
    one.verifier.revocations.revoke({ id: '7', issuedBefore: 1_000 })
    other.verifier.revocations.revoke({ id: '7', issuedBefore: 2_000 })
    await until('both know', () => [one, other].every(({ verifier }) => verifier.revocations.size === 1))
    let told = 0
    buses[0].subscribe('revoke', () => told++)
    const turns = async () => {
      for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
      return told
    }
    expect(await turns()).to.equal(await turns())
  })

  it('bound what is published within a process, for the bus takes no larger message', async () => {
    const one = await start()
    const payload = Buffer.alloc(one.broker.limits.maxPacketBytes + 1)
    const error = await one.broker.publish({ topic: 'x_y', payload }).catch((error: Error) => error)
    expect(error).to.have.property('code', 'ERR_BROKER_MESSAGE')
  })

  it('outlive what no broker says', async () => {
    const bus = createBus({ name: 'broker', hub })
    const one = await start()
    for (const topic of ['message', 'client', 'clients', 'hello', 'revoke', 'alive', 'other']) {
      for (const text of ['', '{', '[1]', '[{}]', 'null', '\u0000\u0000'])
        bus.publish(topic, Buffer.from(text))
    }
    await until('it has heard', () => one.lines.some(({ level }) => level === 'warn'))
    const device = await one.device('7')
    await device.publishAsync('ping', '', { qos: 1 })
    await bus.close()
  })
})
