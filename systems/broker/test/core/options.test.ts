import { createVerifier, type Identity } from '@token-server/identity'
import { createBus } from '@token-server/service'
import { expect } from 'chai'
import { BrokerError, type BrokerErrorCode, createBroker, openTokenDoor, startBroker } from '../../lib'
import { inbox, SECRET, TestBroker, until } from '../helpers/test-broker'

/** As a program in JavaScript writes them. */
type Options = Readonly<Record<string, unknown>>

describe('The options of', () => {
  const verifier = createVerifier({ issuers: { secret: SECRET } })
  after(() => verifier.close())

  async function expectRefused(use: () => unknown, name: string, code: BrokerErrorCode): Promise<void> {
    const error = await Promise.resolve()
      .then(use)
      .catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(BrokerError)
    expect(error).to.have.property('code', code)
    expect((error as BrokerError).message).to.include(name)
  }

  const ofBroker: readonly Options[] = [
    { verifier: undefined },
    { verifier: {} },
    { foldr: 'x' },
    { folder: 5 },
    { folder: '' },
    { commands: 'ping' },
    { commands: [5] },
    { limits: null },
    { limits: [] },
    { sync: 'never' },
    { redisUrl: 5 },
    { redisUrl: 'redis://127.0.0.1:1', redisPrefix: 5 },
    { redisPrefix: 'without a Redis' },
    { redisTimeout: 1_000 },
    { sessionTtl: 1_000 },
    { bus: {} },
    { log: 'x' },
    { authenticate: 5 }
  ]
  for (const options of ofBroker) {
    it(`createBroker are refused by their names: ${JSON.stringify(options)}`, () =>
      expectRefused(
        () => createBroker({ verifier, ...options } as never),
        Object.keys(options).at(-1) as string,
        'ERR_BROKER_OPTION'
      ))
  }

  it('createBroker are refused when there are none', () =>
    expectRefused(() => createBroker(undefined as never), 'options', 'ERR_BROKER_OPTION'))

  it('startBroker and openTokenDoor are refused by their names', async () => {
    const config = { JWT_SECRET: SECRET, STORE_DIR: 'memory' }
    for (const options of [
      { config: 5 },
      { notices: 'x' },
      { dev: 'false' },
      { logTo: {} },
      { signals: 0 },
      { port: 1 }
    ]) {
      const name = Object.keys(options)[0] as string
      await expectRefused(() => startBroker({ config, ...options } as never), name, 'ERR_BROKER_OPTION')
    }
    for (const name of ['broker', 'server', 'verifier', 'identityOf', 'log', 'brker'])
      await expectRefused(() => openTokenDoor({ [name]: 5 } as never), 'Cannot use', 'ERR_BROKER_OPTION')
  })

  it('createBroker may be all that there are', async () => {
    const bus = createBus({ name: 'test' })
    const broker = await createBroker({
      verifier,
      authenticate: () => Promise.resolve({} as Identity),
      sync: true,
      bus,
      commands: ['a/#'],
      limits: { maxPacketBytes: 1_000 },
      log: console
    })
    await broker.close()
    await bus.close()
  })

  describe('a broker that runs', () => {
    let test: TestBroker
    beforeEach(async () => {
      test = await TestBroker.start()
    })
    afterEach(() => test.stop())

    const messages: readonly Options[] = [
      { topic: undefined },
      { topic: 5 },
      { topic: '' },
      { topic: 'a'.repeat(70_000) },
      { topic: '/'.repeat(16) },
      { payload: undefined },
      { payload: null },
      { payload: 5 },
      { payload: {} },
      { qos: 3 },
      { qos: '1' },
      { retain: 'yes' },
      { retian: true }
    ]
    it('publish are refused by their names, and reach no subscriber', async () => {
      const handler = await test.handler('h')
      await handler.subscribeAsync('#', { qos: 1 })
      const received = inbox(handler)
      for (const message of messages) {
        const use = () => test.broker.publish({ topic: 'a', payload: 'x', ...message } as never)
        await expectRefused(use, Object.keys(message)[0] as string, 'ERR_BROKER_MESSAGE')
      }
      await expectRefused(() => test.broker.publish(null as never), 'options', 'ERR_BROKER_MESSAGE')
      await test.broker.publish({ topic: 'a', payload: new Uint8Array([120]) as Buffer, qos: 1 })
      await until('the good one comes', () => received.length > 0)
      expect(received.map(({ topic, payload }) => topic + payload)).to.deep.equal(['ax'])
    })

    it('subscribe are refused by their names', async () => {
      for (const filter of [undefined, 5, '', 'a/#/b'])
        await expectRefused(
          () => test.broker.subscribe(filter as never, () => {}),
          'filter',
          'ERR_BROKER_OPTION'
        )
      await expectRefused(() => test.broker.subscribe('a', 5 as never), 'listener', 'ERR_BROKER_OPTION')
    })

    it('publish bound a topic by the bytes that a packet can hold, too', async () => {
      const wide = await TestBroker.start({ limits: { maxTopicLength: 65_535 } })
      try {
        const publish = (topic: string) => wide.broker.publish({ topic, payload: '' })
        await publish('a'.repeat(65_535))
        await expectRefused(() => publish('ä'.repeat(32_768)), '65535 bytes', 'ERR_BROKER_MESSAGE')
      } finally {
        await wide.stop()
      }
    })
  })
})
