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

  it('waits for no subscriber, and goes on behind one that throws', () => {
    const bus = new LocalBus()
    bus.on('never', () => undefined)
    let done = 0
    for (let i = 0; i < 2_000; i++) bus.emit(packet('never'), () => done++)
    expect(done).to.equal(2_000)
    bus.on('throws', () => {
      throw new Error('a fault')
    })
    expect(() => bus.emit(packet('throws'))).to.throw('a fault')
    bus.emit(packet('never'), () => done++)
    expect(done).to.equal(2_001)
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
