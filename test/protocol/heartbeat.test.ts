import { expect } from 'chai'
import { Heartbeat } from '../../lib/protocol/heartbeat'
import type { FakeClock } from '../../lib/testing'
import { usesFakeClock } from '../helpers/fake-clock'

describe('Heartbeat', () => {
  let clock: FakeClock
  usesFakeClock(made => {
    clock = made
  })

  function make(own: number, peer: number) {
    const log: string[] = []
    const pings: Uint8Array[] = []
    const heartbeat = new Heartbeat(own, peer, {
      ping: opaque => {
        pings.push(opaque)
        log.push(`ping at ${clock.now()}`)
      },
      dead: () => log.push(`dead at ${clock.now()}`)
    })
    return { heartbeat, log, pings }
  }

  it('gives up after two of its own intervals without a byte, once', async () => {
    const { log } = make(1000, 0)
    await clock.elapse(1999)
    expect(log).to.deep.equal([])
    await clock.elapse(100_000)
    expect(log).to.deep.equal(['dead at 2000'])
  })

  it('counts from the last byte', async () => {
    const { heartbeat, log } = make(1000, 0)
    for (const wait of [1500, 1999, 1]) {
      await clock.elapse(wait)
      heartbeat.sawRead()
    }
    await clock.elapse(1999)
    expect(log).to.deep.equal([])
    await clock.elapse(1)
    expect(log).to.deep.equal(['dead at 5500'])
  })

  it('does not take a write for life', async () => {
    const { heartbeat, log } = make(1000, 0)
    for (let i = 0; i < 4; i++) {
      await clock.elapse(499)
      heartbeat.sawWrite()
    }
    await clock.elapse(4)
    expect(log).to.deep.equal(['dead at 2000'])
  })

  it('reads first and judges then in a process that was stopped', async () => {
    const { heartbeat, log } = make(1000, 0)
    // Stopped for a minute: the timer fires late, and what had arrived is read in the same turn.
    clock.advance(60_000)
    heartbeat.sawRead()
    await clock.settle()
    expect(log).to.deep.equal([])
    await clock.elapse(2000)
    expect(log).to.deep.equal(['dead at 62000'])
  })

  it('pings after half of the interval of the peer without a write, again and again', async () => {
    const { log } = make(0, 1000)
    await clock.elapse(1600)
    expect(log).to.deep.equal(['ping at 500', 'ping at 1000', 'ping at 1500'])
  })

  it('does not ping while something is written', async () => {
    const { heartbeat, log } = make(0, 1000)
    for (let i = 0; i < 10; i++) {
      await clock.elapse(400)
      heartbeat.sawWrite()
    }
    expect(log).to.deep.equal([])
    await clock.elapse(500)
    expect(log).to.deep.equal(['ping at 4500'])
  })

  it('does not take a read for a write', async () => {
    const { heartbeat, log } = make(0, 1000)
    await clock.elapse(400)
    heartbeat.sawRead()
    await clock.elapse(100)
    expect(log).to.deep.equal(['ping at 500'])
  })

  it('neither gives up nor pings, and has no timer, when it is 0', async () => {
    const { log } = make(0, 0)
    expect(clock.pending).to.equal(0)
    await clock.elapse(1_000_000)
    expect(log).to.deep.equal([])
  })

  it('stopped does nothing more, also when the verdict was near', async () => {
    const { heartbeat, log } = make(1000, 1000)
    await clock.elapse(400)
    clock.advance(1600)
    log.length = 0
    heartbeat.stop()
    await clock.elapse(10_000)
    expect([log, clock.pending]).to.deep.equal([[], 0])
  })

  describe('the round trip', () => {
    it('is not known before the first PONG', async () => {
      const { heartbeat, pings } = make(0, 1000)
      await clock.elapse(500)
      expect([pings.length, heartbeat.rtt]).to.deep.equal([1, null])
    })

    it('is the time from a PING of 8 bytes to its PONG', async () => {
      const { heartbeat, pings } = make(0, 1000)
      await clock.elapse(500)
      clock.advance(40)
      heartbeat.pong(pings[0] as Uint8Array)
      expect([pings[0]?.length, heartbeat.rtt]).to.deep.equal([8, 40])
    })

    it('is not measured by the PONG of an earlier PING', async () => {
      const { heartbeat, pings } = make(0, 1000)
      await clock.elapse(1000)
      expect(pings).to.have.length(2)
      heartbeat.pong(pings[0] as Uint8Array)
      expect(heartbeat.rtt).to.equal(null)
    })
  })
})
