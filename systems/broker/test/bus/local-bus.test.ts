import { expect } from 'chai'
import { LocalBus, VOID_TOPIC } from '../../lib/bus/local-bus'
import type { AedesPacket } from '../../lib/core/aedes-packet'

function packet(topic: string): AedesPacket {
  return { cmd: 'publish', topic, payload: Buffer.alloc(0), qos: 0, retain: false }
}

describe('The bus within a process', () => {
  it('gives a message to all that match, and then tells its publisher', () => {
    const heard: string[] = []
    const bus = new LocalBus()
    bus.on('a/+', () => heard.push('a/+'))
    bus.on('#', () => heard.push('#'))
    bus.on('b', () => heard.push('b'))
    bus.emit(packet('a/b'), () => heard.push('done'))
    expect(heard.slice(0, 2).sort()).to.deep.equal(['#', 'a/+'])
    expect(heard.slice(2)).to.deep.equal(['done'])
  })

  it('gives out messages one after another, also one that a subscriber publishes meanwhile', () => {
    const heard: string[] = []
    const bus = new LocalBus()
    bus.on('first', () => {
      heard.push('first, one')
      bus.emit(packet('second'), () => heard.push('second is done'))
    })
    bus.on('first', () => heard.push('first, two'))
    bus.on('second', () => heard.push('second'))
    bus.emit(packet('first'), () => heard.push('first is done'))
    expect(heard).to.include.members(['first, one', 'first, two'])
    expect(heard.slice(2)).to.deep.equal(['first is done', 'second', 'second is done'])
  })

  it('waits for no subscriber', async () => {
    const bus = new LocalBus()
    bus.on('never', () => undefined)
    await Promise.all(
      Array.from(
        { length: 2_000 },
        () => new Promise<void>(resolve => bus.emit(packet('never'), () => resolve()))
      )
    )
  })

  it('goes on behind a subscriber that throws', done => {
    const bus = new LocalBus()
    bus.on('throws', () => {
      throw new Error('a fault')
    })
    expect(() => bus.emit(packet('throws'))).to.throw('a fault')
    bus.emit(packet('behind'), () => done())
  })

  it('leaves others their turns of the event loop, however much is published in one', async () => {
    const bus = new LocalBus()
    const heard: string[] = []
    bus.on('t', ({ payload }) => {
      heard.push(payload.toString())
      for (const end = performance.now() + 2; performance.now() < end; );
    })
    const turns: number[] = []
    const count = () => {
      turns.push(heard.length)
      if (heard.length < 60) setImmediate(count)
    }
    const all = Promise.all(
      Array.from({ length: 60 }, (_, i) => {
        return new Promise<void>(resolve =>
          bus.emit({ ...packet('t'), payload: Buffer.from(String(i)) }, () => resolve())
        )
      })
    )
    setImmediate(count)
    await all
    expect(heard).to.deep.equal(Array.from({ length: 60 }, (_, i) => String(i)))
    const each = turns.map((heardThen, at) => heardThen - (turns[at - 1] ?? 0))
    // 10 messages fill a turn; two of ours may lie between two of the counts.
    expect(Math.max(...each)).to.be.at.most(25)
  })

  it('gives out what still waits when it closes', () => {
    const bus = new LocalBus()
    let heard = 0
    bus.on('t', () => {
      heard++
      for (const end = performance.now() + 11; performance.now() < end; );
    })
    let done = 0
    for (let i = 0; i < 5; i++) bus.emit(packet('t'), () => done++)
    expect(heard).to.be.lessThan(5)
    bus.close(() => undefined)
    expect([heard, done]).to.deep.equal([5, 5])
  })

  it('gives what is published to nobody to nobody', () => {
    const bus = new LocalBus()
    let heard = 0
    bus.on('#', () => heard++)
    bus.on('$SYS/#', () => heard++)
    bus.emit(packet(VOID_TOPIC))
    expect(heard).to.equal(0)
  })

  it('takes nothing any more once it is closed', done => {
    const bus = new LocalBus()
    bus.close(() => {
      bus.emit(packet('a'), error => {
        expect(error).to.be.instanceOf(Error)
        done()
      })
    })
  })
})
