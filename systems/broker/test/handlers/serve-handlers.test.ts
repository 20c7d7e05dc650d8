import { randomBytes } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import {
  type HandlerDefinition,
  handler,
  serveHandlers,
  type TopicListener,
  type TopicMessage,
  type Topics,
  topicOf
} from '../../lib/client'
import { collectGarbage } from '../helpers/packets'

/** Topics that carry nothing: a test gives messages by hand, and sees what was published. */
class ByHand implements Topics {
  readonly listeners = new Map<string, TopicListener>()
  readonly published: { topic: string; payload: string; options: unknown }[] = []

  subscribe(filter: string, listener: TopicListener): Promise<void> {
    this.listeners.set(filter, listener)
    return Promise.resolve()
  }

  publish(topic: string, payload: Uint8Array | string, options?: unknown): Promise<void> {
    this.published.push({ topic, payload: Buffer.from(payload).toString(), options })
    return Promise.resolve()
  }

  async give(topic: string, payload: string, more: Partial<TopicMessage> = {}): Promise<void> {
    const sender = { id: '7', kind: 'user' }
    const message = {
      topic,
      payload: Buffer.from(payload),
      qos: 1 as const,
      sender,
      retain: false,
      attempt: 1,
      ...more
    }
    await this.listeners.get(topic)?.(message)
  }
}

describe('A handler', () => {
  let topics: ByHand

  beforeEach(() => {
    topics = new ByHand()
  })

  const serve = (...handlers: HandlerDefinition[]) => serveHandlers(topics, handlers)

  it('is given the JSON of the payload and the verified sender, and answers to a user', async () => {
    await serve(
      handler<{ who: string }>('get_list', async ({ who }, { sender, topic, publishTo }) => {
        expect(topic).to.equal('get_list')
        await publishTo(sender.id, 'list', { of: who })
        await publishTo('alice', 'list', 'text', { qos: 0 })
      })
    )
    await topics.give('get_list', '{"user_id":"1","who":"me"}')
    expect(topics.published).to.deep.equal([
      { topic: '7_list', payload: '{"of":"me"}', options: undefined },
      { topic: 'alice/list', payload: 'text', options: { qos: 0 } }
    ])
  })

  it('is given the bytes when it asks for them', async () => {
    const seen: Buffer[] = []
    await serve(handler<Buffer>('x', payload => seen.push(payload), { payload: 'buffer' }))
    await topics.give('x', '\0{')
    expect(seen).to.deep.equal([Buffer.from('\0{')])
  })

  it('is tried again as often as it says, and the message is received when one attempt succeeds', async () => {
    let attempts = 0
    const run = () => {
      if (++attempts < 3) throw new Error('not now')
    }
    await serve(handler('x', run, { retries: 2, retryDelay: 0 }))
    await topics.give('x', '{}')
    expect(attempts).to.equal(3)
  })

  it('that fails each time without dead letters leaves the message unreceived', async () => {
    let attempts = 0
    const run = () => {
      attempts++
      return Promise.reject(new Error('never'))
    }
    await serve(handler('x', run, { retries: 1, retryDelay: 0 }))
    expect(await topics.give('x', '{}').catch((error: Error) => error.message)).to.equal('never')
    expect(attempts).to.equal(2)
  })

  for (const [deadLetter, to] of [
    [true, 'dead_x'],
    ['letters/x', 'letters/x']
  ] as const) {
    it(`with deadLetter ${deadLetter} puts the message to ${to}, with who sent it and why it failed`, async () => {
      const run = () => {
        throw new Error('never')
      }
      await serve(handler('x', run, { retries: 1, retryDelay: 0, deadLetter }))
      await topics.give('x', '{"a":1}')
      expect(topics.published.map(({ topic }) => topic)).to.deep.equal([to])
      expect(JSON.parse(topics.published[0]?.payload ?? '')).to.deep.equal({
        topic: 'x',
        sender: { id: '7', kind: 'user' },
        attempts: 2,
        why: 'never',
        payload: Buffer.from('{"a":1}').toString('base64')
      })
    })
  }

  it('puts a long payload into several dead letters, each within the packet that a broker takes by default', async () => {
    const run = () => {
      throw new Error('never'.repeat(1_000))
    }
    await serve(handler('x', run, { retries: 0, deadLetter: true, payload: 'buffer' }))
    const payload = randomBytes(262_000)
    await topics.give('x', '', { payload })
    const letters = topics.published.map(letter => JSON.parse(letter.payload))
    expect(letters.map(({ part, parts }) => [part, parts])).to.deep.equal([
      [1, 2],
      [2, 2]
    ])
    expect(Buffer.concat(letters.map(letter => Buffer.from(letter.payload, 'base64')))).to.deep.equal(payload)
    for (const letter of topics.published) expect(letter.payload.length).to.be.below(200_000)
  })

  it('has a dead letter for a topic that is as long as it may be', async () => {
    const topic = 'x'.repeat(1_024)
    await serve(handler(topic, () => {}, { deadLetter: true }))
    await topics.give(topic, 'no JSON')
    expect(
      topics.published.map(letter => [letter.topic.length, JSON.parse(letter.payload).topic])
    ).to.deep.equal([[1_024, topic]])
  })

  it('leaves a message unreceived whose dead letter could not be published, and says so in the log', async () => {
    const logged: string[] = []
    const note = (_: object, message: string) => logged.push(message)
    topics.publish = () => Promise.reject(new Error('it is refused'))
    const log = { debug: note, info: note, warn: note, error: note }
    await serveHandlers(topics, [handler('x', () => {}, { deadLetter: true })], { log })
    expect(await topics.give('x', 'no JSON').catch((error: Error) => error.message)).to.equal('it is refused')
    expect(logged.at(-1)).to.include('could not go to the dead letters')
  })

  it('leaves no timer and no memory behind for messages that were handled, and any number may be under way', async () => {
    const stop = new AbortController()
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const signals: WeakRef<AbortSignal>[] = []
    const run = async (_: unknown, { signal }: { signal: AbortSignal }) => {
      signals.push(new WeakRef(signal))
      await new Promise(resolve => setImmediate(resolve))
    }
    await serveHandlers(topics, [handler('x', run)], { signal: stop.signal })
    const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
    const before = timers()
    await Promise.all(Array.from({ length: 1_000 }, () => topics.give('x', '{}')))
    expect(timers()).to.equal(before)
    await new Promise(resolve => setImmediate(resolve))
    collectGarbage()
    expect(signals.filter(signal => signal.deref() !== undefined)).to.have.length.below(10)
    expect(getEventListeners(stop.signal, 'abort')).to.have.length(1)
    process.off('warning', onWarning)
    expect(warnings).to.deep.equal([])
  })

  it('is not tried with a payload that is no JSON, nor for a sender that nobody knows', async () => {
    let attempts = 0
    await serve(handler('x', () => attempts++, { deadLetter: true }))
    await topics.give('x', 'no JSON')
    await topics.give('x', '{}', { sender: undefined })
    expect(attempts).to.equal(0)
    expect(topics.published.map(({ payload }) => JSON.parse(payload).why)).to.deep.equal([
      'its payload is no JSON',
      'nobody is known to have sent it'
    ])
  })

  it('that takes longer than its timeout has failed, and its signal says so', async () => {
    const signals: AbortSignal[] = []
    const run = (_payload: unknown, { signal }: { signal: AbortSignal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    }
    await serve(handler('x', run, { timeout: 10, retries: 0, deadLetter: true }))
    await topics.give('x', '{}')
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true])
    expect(JSON.parse(topics.published[0]?.payload ?? '').why).to.include('timeout')
  })

  it('is not tried again when it was stopped, and no dead letter is written', async () => {
    const stop = new AbortController()
    const definition = handler(
      'x',
      () => {
        stop.abort()
        throw new Error('not now')
      },
      { deadLetter: true, retryDelay: 60_000 }
    )
    await serveHandlers(topics, [definition], { signal: stop.signal })
    expect(await topics.give('x', '{}').catch((error: Error) => error.name)).to.equal('AbortError')
    expect(topics.published).to.deep.equal([])
  })

  it('is refused with an option that can not be used', () => {
    const run = () => undefined
    const wrong: [unknown, unknown, object?][] = [
      ['', run],
      [1, run],
      ['x', 1],
      ['x', run, { retries: -1 }],
      ['x', run, { retries: 101 }],
      ['x', run, { retryDelay: Number.POSITIVE_INFINITY }],
      ['x', run, { timeout: 0 }],
      ['x', run, { qos: 2 }],
      ['x', run, { payload: 'xml' }],
      ['x', run, { deadLetter: '#' }],
      ['x', run, { deadLetter: '$SYS' }],
      ['x', run, { retrys: 1 }]
    ]
    for (const [filter, fn, options] of wrong) {
      expect(() => handler(filter as string, fn as () => void, options), JSON.stringify(options)).to.throw(
        /^Cannot use a handler: because/
      )
    }
  })

  it('writes to the topic that a user owns', () => {
    expect(topicOf('68946', 'contact_list')).to.equal('68946_contact_list')
    expect(topicOf('alice', 'contact_list')).to.equal('alice/contact_list')
  })
})
