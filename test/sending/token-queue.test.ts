import { expect } from 'chai'
import { isStreamed } from '../../lib/sending/queue-places'
import { TokenQueue } from '../../lib/sending/token-queue'
import { TokenSource } from '../../lib/sending/token-source'
import { pattern } from '../helpers/bytes'

function queueOf(lengths: number[], windowBytes: number | null = null): TokenQueue {
  const queue = new TokenQueue()
  queue.keep(windowBytes)
  for (const length of lengths) queue.push(pattern(length))
  return queue
}

/** Sends the head whole, as the writer does with a small one. */
function pass(queue: TokenQueue, count = 1): void {
  for (let i = 0; i < count; i++) queue.pass(1, queue.costAt(0))
}

function counts({ taken, sent, size, waitingBytes, keptBytes }: TokenQueue): number[] {
  return [taken, sent, size, waitingBytes, keptBytes]
}

function dropOldest(queue: TokenQueue, count: number): number {
  return queue.takeOut(
    () => true,
    count,
    () => {}
  ).length
}

/** Of those that never left whole. */
function lengths(queue: TokenQueue): number[] {
  return queue.notHad(null).flatMap(({ token, length }) => (isStreamed(token) ? [] : [length]))
}

describe('TokenQueue', () => {
  it('lets go of what is sent when nothing is kept', () => {
    const queue = queueOf([1, 2, 3])
    pass(queue, 2)
    expect(counts(queue)).to.deep.equal([3, 2, 1, 7, 0])
  })

  it('keeps what is sent until it is acknowledged', () => {
    const queue = queueOf([1, 2, 3], 100)
    pass(queue, 3)
    expect(counts(queue)).to.deep.equal([3, 3, 0, 0, 18])
    queue.acknowledge(2)
    expect(counts(queue)).to.deep.equal([3, 3, 0, 0, 7])
    queue.acknowledge(1)
    queue.acknowledge(3)
    expect(counts(queue)).to.deep.equal([3, 3, 0, 0, 0])
  })

  it('begins a token up to the last byte of the window, and none that does not fit', () => {
    const queue = queueOf([6, 5, 6], 20)
    pass(queue)
    expect(queue.fits).to.equal(true)
    pass(queue)
    expect([queue.keptBytes, queue.fits]).to.deep.equal([19, false])
    queue.acknowledge(1)
    expect(queue.fits).to.equal(true)
  })

  it('writes again from any number on, and tokens that were sent are not unsent', () => {
    for (let received = 0; received <= 4; received++) {
      const queue = queueOf([1, 2, 3, 4, 5, 6], 1000)
      pass(queue, 4)
      queue.rewind(received)
      expect([queue.taken, queue.sent, queue.size, queue.keptBytes]).to.deep.equal([6, 4, 6 - received, 26])
      expect([queue.firstUnsent, queue.withdraw(4), dropOldest(queue, 9)]).to.deep.equal([5, false, 2])
      for (let number = received + 1; number <= 4; number++) {
        expect(queue.head).to.have.length(number)
        pass(queue)
      }
      expect(counts(queue)).to.deep.equal([4, 4, 0, 0, 26])
    }
  })

  it('needs no room in the window for what is kept already', () => {
    const queue = queueOf([6, 6], 20)
    pass(queue, 2)
    queue.rewind(0)
    expect([queue.keptBytes, queue.fits]).to.deep.equal([20, true])
    pass(queue, 2)
    expect(queue.keptBytes).to.equal(20)
  })

  it('refuses to go on behind what is not kept, or was never sent', () => {
    const queue = queueOf([1, 2, 3, 4], 100)
    pass(queue, 3)
    queue.acknowledge(1)
    expect(() => queue.rewind(0)).to.throw(RangeError, 'Cannot go on behind token 0')
    expect(() => queue.rewind(4)).to.throw(RangeError, 'those from 2 to 3 are kept')
    queue.rewind(1)
    expect(queue.head).to.have.length(2)
  })

  it('does not lose what is to be written again to a peer that counts too much', () => {
    const queue = queueOf([1, 2, 3], 100)
    pass(queue, 3)
    queue.rewind(1)
    queue.acknowledge(3)
    expect([queue.head?.length, queue.keptBytes]).to.deep.equal([2, 13])
  })

  it('begins a token again from its first byte when its transport is gone, and does not count it twice', () => {
    const queue = queueOf([10, 5], 100)
    queue.begin()
    queue.waitingBytes -= 4
    expect([queue.firstUnsent, queue.keptBytes]).to.deep.equal([1, 14])
    expect(queue.unbegin(null)).to.equal(null)
    expect(counts(queue)).to.deep.equal([2, 0, 2, 23, 0])
  })

  it('lets nobody take a token back of which a byte was ever out, on whichever transport', () => {
    const queue = queueOf([10, 5, 7], 100)
    queue.begin()
    for (let transports = 0; transports < 3; transports++) {
      queue.unbegin(null)
      queue.rewind(0)
      expect([queue.firstUnsent, queue.withdraw(1)]).to.deep.equal([1, false])
      queue.takeOut(
        token => token.length === 10,
        9,
        () => expect.fail('it was taken back')
      )
    }
    expect([dropOldest(queue, 9), queue.taken, queue.head?.length]).to.deep.equal([2, 1, 10])
    queue.abandon()
    expect(lengths(queue)).to.deep.equal([10])
  })

  it('withdraws what was given up, too', () => {
    const queue = queueOf([1, 2, 3])
    queue.abandon()
    expect([queue.withdraw(2), queue.withdraw(4)]).to.deep.equal([true, false])
    expect(lengths(queue)).to.deep.equal([1, 3])
    expect(queue.taken).to.equal(2)
  })

  it('hands back what never left, and nothing that did', () => {
    const queue = queueOf([1, 2, 3, 4], 100)
    queue.push(new TokenSource((async function* () {})()))
    pass(queue, 2)
    queue.rewind(0)
    expect(lengths(queue)).to.deep.equal([3, 4])
  })

  it('keeps a long queue in order while places are moved together', () => {
    const queue = queueOf([], 1_000_000)
    for (let i = 1; i <= 6000; i++) {
      queue.push(pattern(i % 97))
      if (i % 2 === 0) pass(queue)
      if (i % 500 === 0) queue.acknowledge(i / 2 - 10)
    }
    queue.rewind(2995)
    for (let number = 2996; number <= 6000; number++) {
      expect(queue.head).to.have.length(number % 97)
      pass(queue)
    }
  })
})
