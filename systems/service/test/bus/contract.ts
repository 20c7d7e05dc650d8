import { onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { type Bus, ServiceError } from '../../lib'

export interface BusKind {
  /** Buses that hear each other, up. */
  make(count: number): Promise<Bus[]>
}

/** Messages that a bus hears, as `topic payload`. */
export function heardBy(bus: Bus, topic?: string): string[] {
  const heard: string[] = []
  const listener = (name: string, payload: Buffer) => void heard.push(`${name} ${payload}`)
  if (topic === undefined) bus.subscribe(listener)
  else bus.subscribe(topic, listener)
  return heard
}

/** What every bus does, whatever carries it. */
export function describeBus({ make }: BusKind): void {
  async function buses(count: number): Promise<Bus[]> {
    const made = await make(count)
    for (const bus of made) onCleanUp(() => bus.close())
    return made
  }

  async function pair(): Promise<[Bus, Bus]> {
    return (await buses(2)) as [Bus, Bus]
  }

  it('gives each bus an id of its own', async () => {
    const [a, b] = await pair()
    expect(a.id)
      .to.match(/^[0-9a-f]{32}$/)
      .and.not.equal(b.id)
  })

  it('has own listeners hear a message before publish returns, and the others soon after', async () => {
    const [a, b] = await pair()
    const [own, others] = [heardBy(a), heardBy(b)]
    expect(a.publish('topic', Buffer.from('x'))).to.equal(true)
    expect(own).to.deep.equal(['topic x'])
    expect(others).to.deep.equal([])
    await until(() => others.length > 0)
    expect(others).to.deep.equal(['topic x'])
  })

  it('says who has published', async () => {
    const [a, b] = await pair()
    const froms: string[] = []
    for (const bus of [a, b]) bus.subscribe((_topic, _payload, from) => froms.push(from))
    a.publish('t', Buffer.of())
    await until(() => froms.length === 2)
    expect(froms).to.deep.equal([a.id, a.id])
  })

  it('keeps the order of each publisher, and gives every message once, to all', async () => {
    const [a, b, c] = (await buses(3)) as [Bus, Bus, Bus]
    const lists = [a, b, c].map(bus => heardBy(bus))
    const count = 3_000
    for (let i = 0; i < count; i++) {
      a.publish('a', Buffer.from(String(i)))
      b.publish('b', Buffer.from(String(i)))
      if (i % 500 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await until(() => lists.every(list => list.length >= 2 * count))
    const wanted = (name: string) => Array.from({ length: count }, (_, i) => `${name} ${i}`)
    for (const list of lists) {
      expect(list.filter(text => text.startsWith('a'))).to.deep.equal(wanted('a'))
      expect(list.filter(text => text.startsWith('b'))).to.deep.equal(wanted('b'))
    }
  })

  it('gives a topic to those who asked for it, until they stop', async () => {
    const [a, b] = await pair()
    const heard: string[] = []
    const stop = b.subscribe('wanted', (topic, payload) => heard.push(`${topic} ${payload}`))
    const all = heardBy(b)
    a.publish('wanted', Buffer.from('1'))
    a.publish('wanted/more', Buffer.from('2'))
    a.publish('', Buffer.from('3'))
    await until(() => all.length === 3)
    stop()
    stop()
    a.publish('wanted', Buffer.from('4'))
    await until(() => all.length === 4)
    expect(heard).to.deep.equal(['wanted 1'])
  })

  it('carries any topic and any payload, empty and large ones too', async () => {
    const [a, b] = await pair()
    const heard: [string, Buffer][] = []
    b.subscribe((topic, payload) => heard.push([topic, Buffer.from(payload)]))
    const messages: [string, Buffer][] = [
      ['', Buffer.of()],
      ['ä/€/𝄞', Buffer.from([0, 255, 13, 10])],
      ['x'.repeat(65_535), Buffer.alloc(3 * 1_048_576, 7)],
      ['last', Buffer.from('!')]
    ]
    for (const [topic, payload] of messages) a.publish(topic, payload)
    await until(() => heard.length === messages.length)
    for (const [index, [topic, payload]] of messages.entries()) {
      expect(heard[index]?.[0]).to.equal(topic)
      expect(heard[index]?.[1].equals(payload)).to.equal(true)
    }
  })

  it('takes a Uint8Array, which may be changed once publish has returned', async () => {
    const [a, b] = await pair()
    const heard = heardBy(b)
    const payload = new TextEncoder().encode('before')
    a.publish('t', payload)
    payload.fill(120)
    await until(() => heard.length > 0)
    expect(heard).to.deep.equal(['t before'])
  })

  it('has all listeners hear one order, also where one of them publishes', async () => {
    const [a, b] = await pair()
    a.subscribe(topic => {
      if (topic === 'ask') a.publish('answer', Buffer.of())
    })
    const [own, others] = [heardBy(a), heardBy(b)]
    a.publish('ask', Buffer.of())
    a.publish('next', Buffer.of())
    await until(() => others.length === 3)
    expect(own).to.deep.equal(['ask ', 'answer ', 'next '])
    expect(others).to.deep.equal(own)
  })

  it('goes on after a listener that throws', async () => {
    const [a, b] = await pair()
    b.subscribe(() => {
      throw new Error('of a listener')
    })
    const heard = heardBy(b)
    a.publish('1', Buffer.of())
    a.publish('2', Buffer.of())
    await until(() => heard.length === 2)
  })

  it('refuses what is too large, in words', async () => {
    const [a] = await pair()
    expect(() => a.publish('t', Buffer.alloc(8 * 1_048_576 + 1)))
      .to.throw(ServiceError, 'Cannot publish: the payload has 8388609 bytes, maxMessageBytes is 8388608')
      .with.property('code', 'ERR_BUS_MESSAGE')
    expect(() => a.publish('ä'.repeat(32_768), Buffer.of())).to.throw(
      'the topic has 65536 bytes, at most 65535'
    )
    expect(a.stats.published).to.equal(0)
  })

  it('flushes what was published, and counts', async () => {
    const [a, b] = await pair()
    const heard = heardBy(b)
    await a.flush()
    for (let i = 0; i < 100; i++) a.publish('t', Buffer.alloc(100))
    await a.flush()
    expect(a.stats).to.include({ published: 100, dropped: 0, queuedBytes: 0 })
    await until(() => heard.length === 100)
    expect(b.stats).to.include({ received: 100, gaps: 0, losses: 0 })
  })

  it('sends what was published before it is closed, and takes nothing more', async () => {
    const [a, b] = await pair()
    const heard = heardBy(b)
    a.publish('last', Buffer.from('words'))
    await Promise.all([a.close(), a.close()])
    await until(() => heard.length === 1)
    expect(() => a.publish('t', Buffer.of())).to.throw(ServiceError, 'Cannot publish: the bus is closed')
    const failure = await a.flush().catch(error => error as Error)
    expect(failure).to.have.property('code', 'ERR_BUS_CLOSED')
    expect(a.isUp).to.equal(false)
    b.publish('t', Buffer.of())
    expect(heard).to.have.length(2)
  })

  it('is ready when it is up, and tells who asks before that it was closed', async () => {
    const [a] = await pair()
    await a.ready
    expect(a.isUp).to.equal(true)
  })
}
