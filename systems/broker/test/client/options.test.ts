import { once } from 'node:events'
import { type AddressInfo, createServer, connect as netConnect } from 'node:net'
import { clientOptions, closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { TokenError } from 'token-server'
import {
  handler,
  overMqtt,
  serveHandlers,
  TopicClient,
  TopicError,
  type TopicErrorCode,
  type Topics
} from '../../lib/client'

describe('The options of', () => {
  closesWhatItOpened()

  async function expectRefused(use: () => unknown, name: string, code: TopicErrorCode): Promise<void> {
    const error = await Promise.resolve()
      .then(use)
      .catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(TopicError)
    expect(error).to.have.property('code', code)
    expect((error as TopicError).message).to.include(name)
  }

  const connect = { host: '127.0.0.1', port: 1 }

  it('a TopicClient are refused by their names, before it dials', async () => {
    for (const options of [
      { connect: undefined },
      { connect: 5 },
      { token: 5 },
      { token: '' },
      { session: 5 },
      { session: '' },
      { session: 'a\ud800' },
      { clean: 'x' },
      { sesion: 'x' }
    ])
      await expectRefused(
        () => new TopicClient({ connect, ...options } as never),
        Object.keys(options)[0] as string,
        'ERR_TOPIC_OPTION'
      )
    await expectRefused(() => new TopicClient(undefined as never), 'options', 'ERR_TOPIC_OPTION')
    for (const options of [{ connect: { ...connect, prot: 1 } }, { connect, concurrency: 'x' }])
      expect(() => new TopicClient(options as never))
        .to.throw(TokenError)
        .with.property('code', 'ERR_OPTION')
  })

  it('leave no client that dials when the constructor throws', async () => {
    let dials = 0
    const server = createServer(socket => {
      dials++
      socket.destroy()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onCleanUp(() => server.close())
    const { port } = server.address() as AddressInfo
    const connect = { ...(await clientOptions(port)), host: '127.0.0.1' }
    for (const concurrency of ['x', 0, -1, 1.5, Number.NaN])
      expect(() => new TopicClient({ connect, concurrency } as never)).to.throw(TokenError)
    const own = netConnect(port, '127.0.0.1')
    await once(own, 'close')
    expect(dials).to.equal(1)
  })

  const wrongCalls: readonly (readonly [name: string, call: (topics: Topics) => unknown])[] = [
    ['filter', topics => topics.subscribe(5 as never, () => {})],
    ['listener', topics => topics.subscribe('a', 5 as never)],
    ['qos', topics => topics.subscribe('a', () => {}, { qos: 2 as never })],
    ['Qos', topics => topics.subscribe('a', () => {}, { Qos: 1 } as never)],
    ['topic', topics => topics.publish(5 as never, 'x')],
    ['payload', topics => topics.publish('a', 5 as never)],
    ['payload', topics => topics.publish('a', undefined as never)],
    ['qos', topics => topics.publish('a', 'x', { qos: '1' as never })],
    ['retain', topics => topics.publish('a', 'x', { retain: 'yes' as never })],
    ['retian', topics => topics.publish('a', 'x', { retian: true } as never)],
    ['options', topics => topics.publish('a', 'x', null as never)]
  ]

  it('subscribe and publish are refused by their names, by a TopicClient and by MQTT', async () => {
    const client = new TopicClient({ connect })
    client.on('error', () => {})
    const mqtt = overMqtt({
      subscribeAsync: filter => Promise.resolve([{ topic: filter, qos: 1 }]),
      publishAsync: () => Promise.resolve(),
      handleMessage: () => {}
    })
    for (const topics of [client, mqtt])
      for (const [name, call] of wrongCalls) await expectRefused(() => call(topics), name, 'ERR_TOPIC_OPTION')
    await expectRefused(() => client.unsubscribe(5 as never), 'filter', 'ERR_TOPIC_OPTION')
    await expectRefused(() => client.renew(5 as never), 'token', 'ERR_TOPIC_OPTION')
    await client.close({ timeout: 0 })
    await expectRefused(() => overMqtt({} as never), 'client', 'ERR_TOPIC_OPTION')
  })

  it('a handler are refused by their names, and so is a topic that is no filter', async () => {
    const wrong: readonly (readonly [name: string, filter: unknown, options?: unknown])[] = [
      ['a/#/b', 'a/#/b'],
      ['topic', 5],
      ['no object', 'a', null],
      ['retries', 'a', { retries: '3' }],
      ['retrys', 'a', { retrys: 3 }]
    ]
    for (const [name, filter, options] of wrong)
      await expectRefused(
        () => handler(filter as never, () => {}, options as never),
        name,
        'ERR_TOPIC_HANDLER'
      )
  })

  it('serveHandlers are refused by their names, and a list of handlers may come from a generator', async () => {
    const subscribed: string[] = []
    const topics: Topics = {
      subscribe: filter => {
        subscribed.push(filter)
        return Promise.resolve()
      },
      publish: () => Promise.resolve()
    }
    const made = handler('a', () => {})
    const wrong: readonly (readonly [name: string, ...unknown[]])[] = [
      ['topics', undefined, []],
      ['topics', {}, []],
      ['handlers', topics, undefined],
      ['handlers', topics, [made, () => {}]],
      ['log', topics, [made], { log: 'x' }],
      ['signal', topics, [made], { signal: 5 }],
      ['singal', topics, [made], { singal: 5 }]
    ]
    for (const [name, ...given] of wrong)
      await expectRefused(
        () => serveHandlers(...(given as unknown as Parameters<typeof serveHandlers>)),
        name,
        'ERR_TOPIC_OPTION'
      )
    expect(subscribed).to.deep.equal([])
    const generator = function* () {
      yield made
    }
    await serveHandlers(topics, generator())
    expect(subscribed).to.deep.equal(['a'])
  })
})
