import { expect } from 'chai'
import type { Claim, Consumer } from '../lib/consumer'
import type { TokenError } from '../lib/errors'
import { type ConnectionOptions, connectionLimits } from '../lib/options'
import { Receiver } from '../lib/receiver'
import { bytes, frame, frames, pattern } from './helpers/bytes'
import { awake, settled, uncaughtDuring } from './helpers/moments'
import { destroyPairs, memoryPair } from './helpers/pairs'

const KIB = 1024

function open(options?: ConnectionOptions, hasListeners = true) {
  const [socket, peer] = memoryPair()
  const log: string[] = []
  let told: (error: TokenError) => void = () => {}
  const broken = new Promise<TokenError>(resolve => {
    told = resolve
  })
  const events = {
    hasListeners,
    onToken: (token: Buffer): void => void log.push(String(token)),
    onActivity: () => {},
    onBroken: (error: TokenError) => {
      log.push(error.code)
      told(error)
    },
    onEnd: (holdsOpen: boolean) => void log.push(holdsOpen ? 'end, held open' : 'end'),
    onAbandoned: () => void log.push('abandoned')
  }
  const receiver = new Receiver(socket, connectionLimits(options), events)
  return { receiver, socket, peer, log, events, broken }
}

/** A consumer that takes `wants` tokens and then holds back. */
class Taker implements Consumer {
  holdsOpen = false
  isBusy = false
  readonly log: string[] = []
  wants: number

  constructor(wants: number) {
    this.wants = wants
  }

  get isWanting(): boolean {
    return this.wants > 0
  }

  accept(token: Buffer): void {
    this.wants--
    this.log.push(String(token))
  }

  finish(error: TokenError | null): void {
    this.wants = 0
    this.log.push(error?.code ?? 'finish')
  }

  ask(claim: Claim, count: number): void {
    this.wants += count
    claim.pull()
  }
}

describe('Receiver', () => {
  afterEach(destroyPairs)

  describe('with listeners', () => {
    it('hands over every token, then the end', async () => {
      const { receiver, peer, log } = open()
      peer.end(frames('a', '', 'b'))
      await settled()
      expect(log).to.deep.equal(['a', '', 'b', 'end'])
      expect(receiver.tokens).to.equal(3)
      expect(receiver.undeliveredBytes).to.equal(0)
    })

    it('stops inside the chunk when they cease to listen, and goes on from there', async () => {
      const { receiver, peer, log, events } = open()
      events.onToken = token => {
        log.push(String(token))
        if (String(token) === 'b') events.hasListeners = false
      }
      peer.write(frames('a', 'b', 'c', 'd'))
      await settled()
      expect(log).to.deep.equal(['a', 'b'])
      expect(receiver.undeliveredBytes).to.equal(10)
      events.hasListeners = true
      receiver.deliver()
      expect(log).to.deep.equal(['a', 'b', 'c', 'd'])
    })

    it('does not enter itself when a listener asks for delivery', async () => {
      const { receiver, peer, log, events } = open()
      events.onToken = token => {
        log.push(`begin ${token}`)
        receiver.deliver()
        log.push(`end ${token}`)
      }
      peer.write(frames('a', 'b'))
      await settled()
      expect(log).to.deep.equal(['begin a', 'end a', 'begin b', 'end b'])
    })

    it('reports what a listener throws as uncaught, and hands over the next token whole', async () => {
      const { receiver, peer, log, events } = open()
      events.onToken = token => {
        log.push(String(token))
        throw new Error(`about ${token}`)
      }
      const caught = await uncaughtDuring(async () => {
        peer.end(frames('a', 'b'))
        await settled()
      })
      expect(caught.map(String)).to.deep.equal(['Error: about a', 'Error: about b'])
      expect(log).to.deep.equal(['a', 'b', 'end'])
      expect(receiver.tokens).to.equal(2)
    })
  })

  describe('with nobody', () => {
    it('keeps tokens for who comes', async () => {
      const { receiver, peer, log, events } = open({}, false)
      peer.write(frames('a', 'b'))
      await settled()
      expect(log).to.deep.equal([])
      expect(receiver.undeliveredBytes).to.equal(10)
      events.hasListeners = true
      receiver.deliver()
      expect(log).to.deep.equal(['a', 'b'])
      expect(receiver.undeliveredBytes).to.equal(0)
    })

    it('reads 64 KiB ahead and no more', async () => {
      const { receiver, socket, peer } = open({}, false)
      const chunk = frame(pattern(16 * KIB - 4))
      for (let i = 0; i < 8; i++) peer.write(chunk)
      await settled()
      expect(receiver.undeliveredBytes).to.equal(64 * KIB)
      expect(socket.isPaused()).to.equal(true)
      expect(receiver.isPaused).to.equal(true)
    })

    it('reads 64 chunks ahead, however small they are', async () => {
      const { receiver, socket, peer, events, log } = open({}, false)
      for (let i = 0; i < 100; i++) {
        peer.write(frame('x'))
        await settled()
      }
      expect(socket.isPaused()).to.equal(true)
      expect(receiver.undeliveredBytes).to.equal(65 * 5)
      events.hasListeners = true
      receiver.deliver()
      await settled()
      expect(log).to.have.length(100)
      expect(receiver.isPaused).to.equal(false)
    })

    it('tells that the end came over tokens that nobody took, and the end when someone took them', async () => {
      const { receiver, peer, log, events } = open({}, false)
      peer.end(frames('a'))
      await settled()
      expect(log).to.deep.equal(['abandoned'])
      events.hasListeners = true
      receiver.deliver()
      expect(log).to.deep.equal(['abandoned', 'a', 'end'])
    })

    it('tells an end with nothing before it', async () => {
      const { peer, log } = open({}, false)
      peer.end()
      await settled()
      expect(log).to.deep.equal(['end'])
    })
  })

  describe('with a consumer', () => {
    it('hands over only what it wants', async () => {
      const { receiver, peer } = open({}, false)
      const taker = new Taker(2)
      const claim = receiver.claim(taker)
      peer.write(frames('a', 'b', 'c'))
      await settled()
      expect(taker.log).to.deep.equal(['a', 'b'])
      taker.ask(claim, 1)
      expect(taker.log).to.deep.equal(['a', 'b', 'c'])
    })

    it('refuses a second one, until the first has released', () => {
      const { receiver } = open({}, false)
      const claim = receiver.claim(new Taker(0))
      expect(receiver.isClaimed).to.equal(true)
      expect(() => receiver.claim(new Taker(0)))
        .to.throw()
        .with.property('code', 'ERR_CONSUMER')
      claim.release()
      expect(receiver.isClaimed).to.equal(false)
      receiver.claim(new Taker(0))
    })

    it('leaves what was not wanted to the next one', async () => {
      const { receiver, peer } = open({}, false)
      const first = new Taker(1)
      const claim = receiver.claim(first)
      peer.write(frames('a', 'b'))
      await settled()
      claim.release()
      const second = new Taker(5)
      receiver.claim(second).pull()
      expect([first.log, second.log]).to.deep.equal([['a'], ['b']])
    })

    it('ignores a release that comes again after another has claimed', () => {
      const { receiver } = open({}, false)
      const claim = receiver.claim(new Taker(0))
      claim.release()
      receiver.claim(new Taker(0))
      claim.release()
      expect(receiver.isClaimed).to.equal(true)
    })

    it('tells it the end after its tokens', async () => {
      const { receiver, peer, log } = open({}, false)
      const taker = new Taker(1)
      const claim = receiver.claim(taker)
      peer.end(frames('a', 'b'))
      await settled()
      expect([taker.log, log]).to.deep.equal([['a'], []])
      taker.ask(claim, 2)
      expect([taker.log, log]).to.deep.equal([['a', 'b', 'finish'], ['end']])
    })

    it('tells the end only when it is no longer busy with its last token', async () => {
      const { receiver, peer, log } = open({}, false)
      const taker = new Taker(1)
      taker.isBusy = true
      const claim = receiver.claim(taker)
      peer.end(frames('a'))
      await settled()
      expect([taker.log, log]).to.deep.equal([['a'], []])
      taker.isBusy = false
      taker.ask(claim, 1)
      expect([taker.log, log]).to.deep.equal([['a', 'finish'], ['end']])
    })

    it('says whether it may still answer', async () => {
      const { receiver, peer, log } = open({}, false)
      const taker = new Taker(1)
      taker.holdsOpen = true
      receiver.claim(taker)
      peer.end()
      await settled()
      expect(log).to.deep.equal(['end, held open'])
    })

    for (const rest of ['', '00', '00 00 00 00 61']) {
      it(`gives it the tokens before a broken frame and then the error, with ${rest || 'nothing'} behind it`, async () => {
        const { receiver, peer, log, broken } = open({}, false)
        const taker = new Taker(5)
        receiver.claim(taker)
        peer.write(Buffer.concat([frames('a', 'b'), bytes(`ff ff ff ff ${rest}`)]))
        const error = await broken
        receiver.stop(error)
        expect(log[0]).to.equal('ERR_CONTROL_FRAME')
        expect(taker.log).to.deep.equal(['a', 'b', 'ERR_CONTROL_FRAME'])
      })
    }

    it('gives what had arrived whole also after the socket is gone, and then the error', async () => {
      const { receiver, peer } = open({}, false)
      const taker = new Taker(0)
      const claim = receiver.claim(taker)
      peer.write(Buffer.concat([frames('a', 'b'), bytes('00 00 00 05 61')]))
      await settled()
      receiver.stop({ code: 'ERR_SOCKET' } as TokenError)
      expect(taker.log).to.deep.equal([])
      taker.ask(claim, 1)
      expect(taker.log).to.deep.equal(['a'])
      taker.ask(claim, 2)
      expect(taker.log).to.deep.equal(['a', 'b', 'ERR_SOCKET'])
    })
  })

  describe('broken bytes', () => {
    it('a frame over the limit is told once, whatever follows', async () => {
      const { peer, log } = open({ maxTokenLength: 1 })
      peer.write(frames('a', 'bc'))
      peer.write(frames('d'))
      peer.end()
      await settled()
      expect(log).to.deep.equal(['a', 'ERR_TOKEN_TOO_LARGE'])
    })

    for (const cut of [1, 3, 4, 6]) {
      it(`an end after ${cut} bytes of a frame is a truncated token, and no end`, async () => {
        const { peer, log } = open()
        peer.end(Buffer.concat([frame('a'), frame('xyz').subarray(0, cut)]))
        await settled()
        expect(log).to.deep.equal(['a', 'ERR_TRUNCATED'])
      })
    }

    it('strings instead of bytes (a socket with setEncoding) are an error and no tokens', async () => {
      const { socket, peer, log } = open()
      socket.setEncoding('utf8')
      peer.write(frames('a'))
      await settled()
      expect(log).to.deep.equal(['ERR_SOCKET'])
    })
  })

  describe('frameTimeout', () => {
    it('is told when a peer begins a frame and does not go on', async () => {
      for (const begun of ['00', '00 00 00 05', '00 00 00 05 61']) {
        const { peer, broken } = open({ frameTimeout: 5 })
        peer.write(bytes(begun))
        expect((await awake(broken)).code).to.equal('ERR_FRAME_TIMEOUT')
      }
    })

    it('is not put off by a byte now and then', async () => {
      const { peer, broken, log } = open({ frameTimeout: 20 })
      const dribble = setInterval(() => peer.write(bytes('00 00 00 00')), 2)
      peer.write(bytes('00 00 01 00'))
      expect((await awake(broken)).code).to.equal('ERR_FRAME_TIMEOUT')
      clearInterval(dribble)
      expect(log).to.deep.equal(['ERR_FRAME_TIMEOUT'])
    })

    it('is put off by 4 KiB in each of them', async () => {
      const { peer, log, events } = open({ frameTimeout: 15 })
      const total = 64 * KIB
      const body = pattern(total)
      events.onToken = token => void log.push(`token of ${token.length}`)
      peer.write(frame(body).subarray(0, 4))
      let at = 0
      await awake(
        new Promise<void>(resolve => {
          const feeding = setInterval(() => {
            peer.write(body.subarray(at, at + 4 * KIB))
            at += 4 * KIB
            if (at < total) return
            clearInterval(feeding)
            resolve()
          }, 4)
        })
      )
      await settled()
      expect(log).to.deep.equal([`token of ${total}`])
    })

    it('counts anew with each completed token', async () => {
      const { peer, log } = open({ frameTimeout: 40 })
      const chunk = frame('xy')
      // Always in the middle of a frame, for several timeouts.
      peer.write(chunk.subarray(0, 3))
      let count = 0
      await awake(
        new Promise<void>(resolve => {
          const feeding = setInterval(() => {
            peer.write(Buffer.concat([chunk.subarray(3), chunk.subarray(0, 3)]))
            if (++count < 20) return
            clearInterval(feeding)
            resolve()
          }, 5)
        })
      )
      await settled()
      expect(log).to.deep.equal(Array(20).fill('xy'))
    })

    it('does not count while this side does not read', async () => {
      const { receiver, peer, log } = open({ frameTimeout: 5 }, false)
      const taker = new Taker(0)
      receiver.claim(taker)
      peer.write(Buffer.concat([frame('a'), bytes('00 00 00 05 61')]))
      await settled()
      const other = open({ frameTimeout: 20 })
      other.peer.write(bytes('00'))
      await awake(other.broken)
      expect([log, taker.log]).to.deep.equal([[], []])
    })

    it('is not told any more once the socket is gone', async () => {
      const { receiver, peer, log } = open({ frameTimeout: 5 })
      peer.write(bytes('00'))
      await settled()
      receiver.stop(null)
      const other = open({ frameTimeout: 20 })
      other.peer.write(bytes('00'))
      await awake(other.broken)
      expect(log).to.deep.equal([])
    })
  })

  describe('discarding', () => {
    it('throws away and counts what comes, and sees the end', async () => {
      const { receiver, peer, log } = open({}, false)
      peer.write(frame(pattern(100 * KIB)))
      peer.write(frame('abc'))
      peer.end()
      await settled()
      receiver.discardUnclaimed()
      await settled()
      expect(log).to.deep.equal(['end'])
      expect(receiver.undeliveredBytes).to.equal(100 * KIB + 4 + 7)
    })

    it('leaves a consumer its tokens', async () => {
      const { receiver, peer, log } = open()
      receiver.discardUnclaimed()
      peer.end(frames('a'))
      await settled()
      expect(log).to.deep.equal(['a', 'end'])
    })

    it('begins when the consumer goes', async () => {
      const { receiver, peer, log } = open({}, false)
      const claim = receiver.claim(new Taker(0))
      const body = pattern(30 * KIB)
      for (let i = 0; i < 5; i++) peer.write(frame(body))
      peer.end()
      await settled()
      receiver.discardUnclaimed()
      claim.release()
      await settled()
      expect(log).to.deep.equal(['end'])
      expect(receiver.undeliveredBytes).to.equal(5 * (30 * KIB + 4))
    })

    it('begins when the last listener goes', async () => {
      const { receiver, peer, log, events } = open()
      receiver.discardUnclaimed()
      events.onToken = token => {
        log.push(`token of ${token.length}`)
        events.hasListeners = false
      }
      const body = pattern(30 * KIB)
      for (let i = 0; i < 5; i++) peer.write(frame(body))
      peer.end()
      await settled()
      expect(log).to.deep.equal([`token of ${30 * KIB}`, 'end'])
    })

    it('ends a consumer that comes too late at once', () => {
      const { receiver } = open({}, false)
      receiver.discardUnclaimed()
      const taker = new Taker(1)
      receiver.claim(taker)
      expect(taker.log).to.deep.equal(['finish'])
    })

    it('has no frameTimeout', async () => {
      const { receiver, peer, log } = open({ frameTimeout: 5 }, false)
      peer.write(bytes('00'))
      await settled()
      receiver.discardUnclaimed()
      const other = open({ frameTimeout: 20 })
      other.peer.write(bytes('00'))
      await awake(other.broken)
      expect(log).to.deep.equal([])
    })
  })

  it('sees an end that came before it', async () => {
    const [socket, peer] = memoryPair()
    peer.end()
    socket.resume()
    await settled()
    expect(socket.readableEnded).to.equal(true)
    const log: string[] = []
    new Receiver(socket, connectionLimits(), {
      hasListeners: true,
      onToken: () => {},
      onActivity: () => {},
      onBroken: () => {},
      onEnd: () => void log.push('end'),
      onAbandoned: () => {}
    })
    await settled()
    expect(log).to.deep.equal(['end'])
  })
})
