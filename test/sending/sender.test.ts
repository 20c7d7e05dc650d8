import { once } from 'node:events'
import { expect } from 'chai'
import { type ConnectionOptions, connectionLimits } from '../../lib/options/connection-options'
import { Sender } from '../../lib/sending/sender'
import { frame, frames, pattern } from '../helpers/bytes'
import { awake, settled } from '../helpers/moments'
import { destroyPairs, HeldDuplex } from '../helpers/pairs'
import { dropOldest } from '../helpers/queued-writer'

const KIB = 1024

/** As token/1 does, it ends the socket when all is flushed. `control` is what may be said between two tokens. */
function open(options?: ConnectionOptions, control: Buffer[] = []) {
  const socket = new HeldDuplex()
  socket.on('error', () => {})
  const log: string[] = []
  let told: () => void = () => {}
  const stalled = new Promise<void>(resolve => {
    told = resolve
  })
  const events = { onDrain: () => void log.push('drain') }
  const sender = new Sender(connectionLimits(options), {
    events,
    delivering: {
      aborted: number => void log.push(`aborted ${number}`),
      withdrawn: number => void log.push(`withdrawn ${number}`)
    },
    settled: () => {},
    active: () => void log.push('active'),
    fail: ({ code }) => {
      log.push(code)
      told()
    }
  })
  sender.protocol = { wrote: () => void log.push('wrote'), flushed: () => void socket.end() }
  sender.attach(socket, { takeControl: () => control.shift() ?? null, takeCounts: () => null })
  return { sender, socket, log, stalled, events, control }
}

/** Lets the socket take writes until there are none. */
async function releaseAll(socket: HeldDuplex): Promise<void> {
  await settled()
  while (socket.held.length > 0) {
    socket.release()
    await settled()
  }
}

describe('Sender', () => {
  afterEach(destroyPairs)

  it('writes a token that is alone in its turn at once, header and body in one write', () => {
    const { sender, socket } = open()
    expect(sender.send(Buffer.from('hello'))).to.equal(true)
    expect(socket.written).to.deep.equal([frame('hello')])
  })

  it('has one write under way at a time, and joins what comes meanwhile', async () => {
    const { sender, socket } = open()
    for (const text of ['a', 'b', '', 'c']) sender.send(Buffer.from(text))
    expect(socket.written).to.deep.equal([frame('a')])
    await releaseAll(socket)
    expect(socket.written).to.deep.equal([frame('a'), frames('b', '', 'c')])
  })

  it('once two writes had what could have been one, waits for all that is read in the turn', async () => {
    const { sender, socket } = open()
    for (const text of ['a', 'b']) sender.send(Buffer.from(text))
    await releaseAll(socket)
    const answer = (text: string) => {
      sender.cork()
      sender.send(Buffer.from(text))
      sender.uncork()
    }
    for (const text of ['c', 'd']) answer(text)
    await releaseAll(socket)
    expect(socket.written).to.deep.equal([frame('a'), frame('b'), frames('c', 'd')])
    answer('e')
    expect(socket.written.at(-1), 'then at once again').to.deep.equal(frame('e'))
  })

  it('collects a turn of the event loop when the last flush carried several', async () => {
    const { sender, socket } = open()
    for (const text of ['a', 'b', 'c']) sender.send(Buffer.from(text))
    await releaseAll(socket)
    sender.send(Buffer.from('d'))
    sender.send(Buffer.from('e'))
    expect(socket.written).to.have.length(2)
    await settled()
    expect(socket.written[2]).to.deep.equal(frames('d', 'e'))
  })

  it('writes at once again after a flush of one', async () => {
    const { sender, socket } = open()
    for (const text of ['a', 'b', 'c']) sender.send(Buffer.from(text))
    await releaseAll(socket)
    sender.send(Buffer.from('d'))
    await releaseAll(socket)
    sender.send(Buffer.from('e'))
    expect(socket.written.at(-1)).to.deep.equal(frame('e'))
  })

  it('keeps the order and every byte of small and large tokens', async () => {
    const { sender, socket } = open()
    const tokens = [3, 70 * KIB, 0, 300 * KIB, 64 * KIB, 1, 1000 * KIB].map(pattern)
    for (const token of tokens) expect(sender.send(token)).to.equal(true)
    await releaseAll(socket)
    expect(Buffer.concat(socket.written).equals(frames(...tokens))).to.equal(true)
  })

  describe('counts', () => {
    it('counts the bytes that the socket has not taken, headers included', async () => {
      const { sender, socket } = open()
      expect(sender.bufferedAmount).to.equal(0)
      sender.send(pattern(10))
      sender.send(pattern(20))
      expect(sender.bufferedAmount).to.equal(38)
      socket.release()
      await settled()
      expect(sender.bufferedAmount).to.equal(24)
      socket.release()
      await settled()
      expect(sender.bufferedAmount).to.equal(0)
    })

    it('counts a token as unsent until its last byte reached the socket', async () => {
      const { sender, socket } = open()
      sender.send(pattern(60 * KIB))
      sender.send(pattern(6 * KIB))
      sender.send(pattern(60 * KIB))
      expect([sender.tokensTaken, sender.tokensSent, sender.tokensUnsent]).to.deep.equal([3, 1, 2])
      socket.release()
      await settled()
      expect([sender.tokensTaken, sender.tokensSent, sender.tokensUnsent]).to.deep.equal([3, 2, 1])
      socket.release()
      await settled()
      expect([sender.tokensTaken, sender.tokensSent, sender.tokensUnsent]).to.deep.equal([3, 3, 0])
    })
  })

  describe('the outbox', () => {
    const options = { maxTokenLength: 10, outboxBytes: 30, highWaterMark: 1000 }

    it('takes up to its last byte, then nothing', () => {
      const { sender } = open(options)
      expect(sender.send(pattern(10))).to.equal(true)
      expect(sender.send(pattern(8))).to.equal(true)
      expect(sender.bufferedAmount).to.equal(26)
      expect(sender.send(pattern(1))).to.equal(false)
      expect([sender.bufferedAmount, sender.tokensTaken]).to.deep.equal([26, 2])
      expect(sender.send(pattern(0))).to.equal(true)
      expect(sender.send(pattern(0))).to.equal(false)
      expect(sender.bufferedAmount).to.equal(30)
    })

    it('takes again when the socket has taken', async () => {
      const { sender, socket } = open(options)
      while (sender.send(pattern(8)));
      await releaseAll(socket)
      expect(sender.send(pattern(10))).to.equal(true)
    })

    it('announces room by `drain` after it refused, however high the high-water mark is', async () => {
      const { sender, socket, log } = open(options)
      while (sender.send(pattern(8)));
      expect(sender.needsDrain).to.equal(true)
      await releaseAll(socket)
      expect(sender.needsDrain).to.equal(false)
      expect(log.filter(entry => entry === 'drain')).to.have.length(1)
      expect(sender.send(pattern(8))).to.equal(true)
    })
  })

  describe('the high-water mark', () => {
    it('is reached at exactly its byte, and `drain` comes once, at half of it', async () => {
      const { sender, socket, log } = open({ highWaterMark: 100 })
      sender.send(pattern(45))
      sender.send(pattern(46))
      expect([sender.bufferedAmount, sender.needsDrain]).to.deep.equal([99, false])
      sender.send(pattern(0))
      expect(sender.needsDrain).to.equal(true)
      socket.release()
      await settled()
      expect([sender.bufferedAmount, sender.needsDrain]).to.deep.equal([54, true])
      await releaseAll(socket)
      expect(sender.needsDrain).to.equal(false)
      expect(log.filter(entry => entry === 'drain')).to.have.length(1)
    })

    it('a high-water mark of 1 asks for a drain after each token', async () => {
      const { sender, socket, log } = open({ highWaterMark: 1 })
      for (let i = 0; i < 3; i++) {
        sender.send(pattern(0))
        expect(sender.needsDrain).to.equal(true)
        await releaseAll(socket)
      }
      expect(log.filter(entry => entry === 'drain')).to.have.length(3)
    })

    it('does not lose what a `drain` listener sends', async () => {
      const { sender, socket, events } = open({ highWaterMark: 10 })
      let sent = 1
      events.onDrain = () => {
        if (sent++ < 5) sender.send(pattern(10, sent))
      }
      sender.send(pattern(10, 1))
      await releaseAll(socket)
      const expected = [1, 2, 3, 4, 5].map(seed => pattern(10, seed))
      expect(Buffer.concat(socket.written)).to.deep.equal(frames(...expected))
    })

    it('comes before the completed write that makes room has returned, so that the socket never runs dry', () => {
      const { sender, socket, log } = open({ highWaterMark: 10 })
      sender.send(pattern(10))
      expect(log).to.deep.equal([])
      // As TLS does: it tells one completed write after the other, and no tick runs between them.
      socket.release()
      expect(log).to.deep.equal(['active', 'wrote', 'drain'])
    })
  })

  describe('end()', () => {
    for (const count of [0, 1, 2, 5]) {
      it(`flushes ${count} tokens of this turn and then ends the socket`, async () => {
        const { sender, socket } = open()
        const tokens = Array.from({ length: count }, (_, i) => pattern(i, i))
        for (const token of tokens) sender.send(token)
        sender.end()
        await releaseAll(socket)
        expect(socket.writableFinished).to.equal(true)
        expect(Buffer.concat(socket.written)).to.deep.equal(frames(...tokens))
      })
    }

    it('ends the socket when all was written long before', async () => {
      const { sender, socket } = open()
      sender.send(pattern(5))
      await releaseAll(socket)
      sender.end()
      await settled()
      expect(socket.writableFinished).to.equal(true)
    })

    it('overtakes no flush that waits for the end of the turn', async () => {
      const { sender, socket } = open()
      for (const text of ['a', 'b', 'c']) sender.send(Buffer.from(text))
      await releaseAll(socket)
      sender.send(Buffer.from('d'))
      sender.end()
      await releaseAll(socket)
      expect(Buffer.concat(socket.written)).to.deep.equal(frames('a', 'b', 'c', 'd'))
      expect(socket.writableFinished).to.equal(true)
    })

    it('can come from within `drain`', async () => {
      const { sender, socket, events } = open({ highWaterMark: 1 })
      events.onDrain = () => void sender.end()
      sender.send(pattern(5))
      await releaseAll(socket)
      expect(socket.writableFinished).to.equal(true)
    })
  })

  describe('a socket that fails', () => {
    it('keeps the tokens behind a failed write as unsent, and says neither activity nor drain', async () => {
      const { sender, socket, log } = open({ highWaterMark: 1 })
      sender.send(pattern(5))
      sender.send(pattern(5))
      socket.release(new Error('broken'))
      await settled()
      expect([sender.tokensTaken, sender.tokensUnsent]).to.deep.equal([2, 1])
      expect(log).to.deep.equal([])
    })

    it('a socket that is no longer writable gets no write', async () => {
      const { sender, socket } = open()
      socket.destroy()
      expect(sender.send(pattern(5))).to.equal(true)
      sender.end()
      await settled()
      expect(socket.written).to.deep.equal([])
      expect(sender.tokensUnsent).to.equal(1)
    })

    it('a socket that is destroyed before the end of the turn gets no write', async () => {
      const { sender, socket } = open()
      for (const text of ['a', 'b', 'c']) sender.send(Buffer.from(text))
      await releaseAll(socket)
      const before = socket.written.length
      sender.send(Buffer.from('d'))
      socket.destroy()
      await settled()
      expect(socket.written).to.have.length(before)
      expect(sender.tokensUnsent).to.equal(1)
    })
  })

  describe('a peer that takes nothing', () => {
    it('a peer that takes nothing is told after writeTimeout', async () => {
      const { sender, log, stalled } = open({ writeTimeout: 5 })
      sender.send(pattern(5))
      await awake(stalled)
      expect(log).to.deep.equal(['ERR_WRITE_TIMEOUT'])
    })

    it('is not blamed while nothing is to be written', async () => {
      const { sender, socket, log } = open({ writeTimeout: 5 })
      sender.send(pattern(5))
      await releaseAll(socket)
      const other = open({ writeTimeout: 20 })
      other.sender.send(pattern(5))
      await awake(other.stalled)
      expect(log).to.deep.equal(['active', 'wrote'])
      expect(socket.destroyed).to.equal(false)
    })

    it('a peer that takes nothing is not told after stop()', async () => {
      const { sender, log } = open({ writeTimeout: 5 })
      sender.send(pattern(5))
      sender.stop()
      const other = open({ writeTimeout: 20 })
      other.sender.send(pattern(5))
      await awake(other.stalled)
      expect(log).to.deep.equal([])
    })
  })

  it('ends a socket once, whoever ends it', async () => {
    const { sender, socket } = open()
    const finished = once(socket, 'finish')
    sender.end()
    sender.end()
    await finished
  })

  describe('credit', () => {
    it('credit of nothing holds every token back, and more of it lets them go', async () => {
      const { sender, socket } = open()
      sender.credit = 0
      for (const text of ['a', 'b']) sender.send(Buffer.from(text))
      await settled()
      expect([socket.written, sender.bufferedAmount, sender.tokensUnsent]).to.deep.equal([[], 10, 2])
      sender.addCredit(1)
      await releaseAll(socket)
      expect(socket.written).to.deep.equal([frame('a')])
      sender.addCredit(5)
      await releaseAll(socket)
      expect(socket.written).to.deep.equal([frame('a'), frame('b')])
    })

    it('holds the end back until every token has left', async () => {
      const { sender, socket } = open()
      sender.credit = 0
      sender.send(Buffer.from('a'))
      sender.end()
      await settled()
      expect([socket.written, socket.writableEnded]).to.deep.equal([[], false])
      sender.addCredit(5)
      await releaseAll(socket)
      expect([socket.written, socket.writableFinished]).to.deep.equal([[frame('a')], true])
    })
  })

  describe('control frames', () => {
    it('leave when it is woken, also without credit, and before the tokens that wait', async () => {
      const { sender, socket, control } = open()
      sender.credit = 0
      sender.send(Buffer.from('a'))
      control.push(Buffer.from('control'))
      sender.wake()
      await releaseAll(socket)
      expect(socket.written.map(String)).to.deep.equal(['control'])
      control.push(Buffer.from('more'))
      sender.addCredit(1)
      await releaseAll(socket)
      expect(socket.written[1]).to.deep.equal(Buffer.concat([Buffer.from('more'), frame('a')]))
    })

    it('do not count as bytes that wait, but as ones under way', () => {
      const { sender, control } = open()
      control.push(Buffer.alloc(13))
      expect(sender.bufferedAmount).to.equal(0)
      sender.wake()
      expect(sender.bufferedAmount).to.equal(13)
    })

    it('wait for the end of a token that has begun', async () => {
      const { sender, socket, control } = open()
      const token = pattern(600 * KIB)
      sender.send(token)
      expect(sender.isMidToken).to.equal(true)
      control.push(Buffer.from('control'))
      sender.wake()
      await releaseAll(socket)
      const expected = Buffer.concat([frame(token), Buffer.from('control')])
      expect(Buffer.concat(socket.written).equals(expected)).to.equal(true)
    })
  })

  describe('corked', () => {
    it('writes nothing, and all together when uncorked', async () => {
      const { sender, socket } = open()
      sender.cork()
      for (const text of ['a', 'b']) sender.send(Buffer.from(text))
      await settled()
      expect(socket.written).to.deep.equal([])
      sender.uncork()
      expect(socket.written).to.deep.equal([frames('a', 'b')])
    })

    it('keeps an end for later', async () => {
      const { sender, socket } = open()
      sender.cork()
      sender.send(Buffer.from('a'))
      sender.end()
      await settled()
      expect([socket.written, socket.writableEnded]).to.deep.equal([[], false])
      sender.uncork()
      await releaseAll(socket)
      expect([socket.written, socket.writableFinished]).to.deep.equal([[frame('a')], true])
    })

    it('does not go on when a write completes', async () => {
      const { sender, socket } = open()
      for (const text of ['a', 'b']) sender.send(Buffer.from(text))
      sender.cork()
      await releaseAll(socket)
      expect(socket.written).to.deep.equal([frame('a')])
      sender.uncork()
      expect(socket.written).to.deep.equal([frame('a'), frame('b')])
    })
  })

  describe('tokens that wait', () => {
    /** Three tokens, of which the first is under way. */
    async function waiting() {
      const opened = open()
      opened.sender.send(Buffer.from('first'))
      opened.sender.send(Buffer.from('second'))
      opened.sender.send(Buffer.from('third'))
      await settled()
      return opened
    }

    it('can be taken back by their place, once, and those behind keep theirs', async () => {
      const { sender, socket } = await waiting()
      expect(sender.withdraw(1)).to.equal(false)
      expect(sender.withdraw(2)).to.equal(true)
      expect([sender.tokensTaken, sender.tokensUnsent, sender.bufferedAmount]).to.deep.equal([2, 1, 18])
      expect([sender.withdraw(2), sender.withdraw(3)]).to.deep.equal([false, true])
      await releaseAll(socket)
      expect(Buffer.concat(socket.written)).to.deep.equal(frame('first'))
    })

    it('can be dropped from the oldest on, but not one that has begun', async () => {
      const { sender, socket } = open()
      const large = pattern(600 * KIB)
      sender.send(large)
      for (const text of ['a', 'b', 'c']) sender.send(Buffer.from(text))
      expect(dropOldest(sender, 2)).to.equal(2)
      expect([sender.tokensTaken, sender.tokensUnsent]).to.deep.equal([2, 2])
      expect(dropOldest(sender, 5)).to.equal(1)
      await releaseAll(socket)
      expect(Buffer.concat(socket.written).equals(frame(large))).to.equal(true)
    })

    it('tokens that are dropped make room, and `drain` says so', async () => {
      const { sender, log } = open({ highWaterMark: 20 })
      for (let i = 0; i < 3; i++) sender.send(pattern(6))
      await settled()
      expect(sender.needsDrain).to.equal(true)
      dropOldest(sender, 2)
      expect([sender.bufferedAmount, log.includes('drain')]).to.deep.equal([10, false])
      await settled()
      expect(sender.needsDrain).to.equal(false)
      expect(log.filter(entry => entry === 'drain')).to.have.length(1)
    })

    it('tokens that are given up count as unsent and are handed back in order', async () => {
      const { sender, socket } = await waiting()
      sender.abandon()
      sender.end()
      await releaseAll(socket)
      expect([sender.tokensTaken, sender.tokensUnsent]).to.deep.equal([3, 2])
      expect(Buffer.concat(socket.written)).to.deep.equal(frame('first'))
      expect(sender.notHad(null).map(({ token }) => String(token))).to.deep.equal(['second', 'third'])
    })

    it('tokens that are too long for the peer are taken out before the first is sent', async () => {
      const { sender, socket } = open()
      sender.credit = 0
      for (const length of [3, 9, 2, 10, 4]) sender.send(pattern(length))
      const longer: [number, number][] = []
      sender.takeOut(
        token => (token.length as number) > 4,
        9,
        (place, token) => longer.push([place, token.length as number])
      )
      expect(longer).to.deep.equal([
        [2, 9],
        [4, 10]
      ])
      expect([sender.tokensTaken, sender.tokensUnsent]).to.deep.equal([3, 3])
      sender.addCredit(1000)
      await releaseAll(socket)
      expect(Buffer.concat(socket.written)).to.deep.equal(frames(pattern(3), pattern(2), pattern(4)))
    })

    it('leave the event loop a turn every 512 KiB', async () => {
      const { sender, socket } = open()
      for (let i = 0; i < 3; i++) sender.send(pattern(300 * KIB))
      let writes = 0
      let isTurnOver = false
      setImmediate(() => {
        isTurnOver = true
      })
      while (socket.held.length > 0 && !isTurnOver) {
        writes++
        socket.release()
        await Promise.resolve()
      }
      expect([writes > 0, isTurnOver, sender.tokensUnsent > 0]).to.deep.equal([true, false, true])
      await releaseAll(socket)
      expect(sender.tokensUnsent).to.equal(0)
    })
  })
})
