import { expect } from 'chai'
import { LINGER_TIMEOUT, sayClose } from '../../lib/protocol/say-close'
import { type FakeClock, memoryPair } from '../../lib/testing'
import { bytes, frame, pattern } from '../helpers/bytes'
import { usesFakeClock } from '../helpers/fake-clock'
import { bytesOf } from '../helpers/moments'

describe('sayClose', () => {
  let clock: FakeClock
  usesFakeClock(made => {
    clock = made
  })

  it('says CLOSE and ends, and is gone when the peer has ended too', async () => {
    const { a, b } = memoryPair()
    sayClose(a, 'overloaded')
    expect(await bytesOf(b)).to.deep.equal(bytes('80 00 00 0b 89 01 06 00 00 00 00 00 00 00 00'))
    expect(a.destroyed).to.equal(false)
    b.end()
    await clock.settle()
    expect([a.destroyed, a.errored, clock.pending]).to.deep.equal([true, null, 0])
  })

  it('throws away what the peer sends, so that no reset overtakes it', async () => {
    const { a, b } = memoryPair()
    b.write(frame(pattern(200_000)))
    sayClose(a, 'refused')
    const said = await bytesOf(b)
    b.end()
    await clock.settle()
    expect([said.length, b.errored, a.destroyed]).to.deep.equal([15, null, true])
  })

  it('waits for a peer that does not end no longer than a second', async () => {
    const { a } = memoryPair()
    sayClose(a, 'refused')
    await clock.elapse(LINGER_TIMEOUT - 1)
    expect(a.destroyed).to.equal(false)
    await clock.elapse(1)
    await clock.settle()
    expect([a.destroyed, clock.pending]).to.deep.equal([true, 0])
  })

  it('survives a peer that resets', async () => {
    const { a, b, link } = memoryPair()
    b.on('error', () => {})
    sayClose(a, 'refused')
    link.cut()
    await clock.settle()
    expect([a.destroyed, clock.pending]).to.deep.equal([true, 0])
  })
})
