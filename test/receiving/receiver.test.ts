import { expect } from 'chai'
import type { TokenError } from '../../lib/errors/token-error'
import type { Claim, Consumer } from '../../lib/receiving/consumer'
import { Receiver } from '../../lib/receiving/receiver'
import { encodeControl } from '../../lib/wire/control-frame'
import { bytes, frame, frames, pattern } from '../helpers/bytes'
import { settled, uncaughtDuring } from '../helpers/moments'
import { aborted, encode } from '../helpers/parts'

const KIB = 1024

function make(hasListeners = true, maxTokenLength = 8 * KIB * KIB, hasMarks = false) {
  const log: string[] = []
  /** Tokens and their cost, as they were told. */
  const handed: [count: number, cost: number][] = []
  /** The numbers of the tokens that were told. */
  const numbers: number[] = []
  const events = {
    hasListeners,
    isDrained: true,
    onToken: (token: Buffer): void => void log.push(String(token)),
    handed: (count: number, last: number, cost: number): void => {
      handed.push([count, cost])
      for (let number = last - count + 1; number <= last; number++) numbers.push(number)
    },
    tokenAborted: (number: number): void => void log.push(`aborted ${number}`),
    delivered: (isDrained: boolean): void => {
      events.isDrained = isDrained
    },
    discarding: (): void => void log.push('discard'),
    fail: (error: TokenError): void => void log.push(error.code),
    allHanded: (holdsOpen: boolean): void => void log.push(holdsOpen ? 'end, held open' : 'end'),
    armClose: (): void => void log.push('abandoned')
  }
  const receiver = new Receiver(maxTokenLength, events, events, hasMarks)
  receiver.protocol = events
  /** As a protocol does with each chunk that it reads. */
  const feed = (...chunks: Buffer[]) => {
    for (const chunk of chunks) {
      receiver.push(chunk)
      receiver.deliver()
    }
  }
  return { receiver, feed, log, handed, numbers, events }
}

/** A receiver of an open connection. */
function open(hasListeners = true, maxTokenLength?: number, hasMarks?: boolean) {
  const made = make(hasListeners, maxTokenLength, hasMarks)
  made.receiver.open()
  return made
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
  describe('with listeners', () => {
    it('hands over every token, then the end', () => {
      const { receiver, feed, log } = open()
      feed(frames('a', '', 'b'))
      receiver.end()
      expect(log).to.deep.equal(['a', '', 'b', 'end'])
      expect(receiver.tokens).to.equal(3)
      expect(receiver.undeliveredBytes).to.equal(0)
    })

    it('stops inside the chunk when they cease to listen, and goes on from there', () => {
      const { receiver, feed, log, events } = open()
      events.onToken = token => {
        log.push(String(token))
        if (String(token) === 'b') events.hasListeners = false
      }
      feed(frames('a', 'b', 'c', 'd'))
      expect(log).to.deep.equal(['a', 'b'])
      expect(receiver.undeliveredBytes).to.equal(10)
      events.hasListeners = true
      receiver.deliver()
      expect(log).to.deep.equal(['a', 'b', 'c', 'd'])
    })

    it('does not enter itself when a listener asks for delivery', () => {
      const { receiver, feed, log, events } = open()
      events.onToken = token => {
        log.push(`begin ${token}`)
        receiver.deliver()
        log.push(`end ${token}`)
      }
      feed(frames('a', 'b'))
      expect(log).to.deep.equal(['begin a', 'end a', 'begin b', 'end b'])
    })

    it('reports what a listener throws as uncaught, and hands over the next token whole', async () => {
      const { receiver, feed, log, events } = open()
      events.onToken = token => {
        log.push(String(token))
        throw new Error(`about ${token}`)
      }
      const caught = await uncaughtDuring(async () => {
        feed(frames('a', 'b'))
        receiver.end()
        await settled()
      })
      expect(caught.map(String)).to.deep.equal(['Error: about a', 'Error: about b'])
      expect(log).to.deep.equal(['a', 'b', 'end'])
      expect(receiver.tokens).to.equal(2)
    })
  })

  describe('with nobody', () => {
    it('keeps tokens for who comes', () => {
      const { receiver, feed, log, events } = open(false)
      feed(frames('a', 'b'))
      expect(log).to.deep.equal([])
      expect(receiver.undeliveredBytes).to.equal(10)
      events.hasListeners = true
      receiver.deliver()
      expect(log).to.deep.equal(['a', 'b'])
      expect(receiver.undeliveredBytes).to.equal(0)
    })

    it('tells that the end came over tokens that nobody took, and the end when someone took them', () => {
      const { receiver, feed, log, events } = open(false)
      feed(frames('a'))
      receiver.end()
      expect(log).to.deep.equal(['abandoned'])
      events.hasListeners = true
      receiver.deliver()
      expect(log).to.deep.equal(['abandoned', 'a', 'end'])
    })

    it('tells an end with nothing before it', () => {
      const { receiver, log } = open(false)
      receiver.end()
      expect(log).to.deep.equal(['end'])
    })
  })

  describe('with a consumer', () => {
    it('hands over only what it wants', () => {
      const { receiver, feed } = open(false)
      const taker = new Taker(2)
      const claim = receiver.claim(taker)
      feed(frames('a', 'b', 'c'))
      expect(taker.log).to.deep.equal(['a', 'b'])
      taker.ask(claim, 1)
      expect(taker.log).to.deep.equal(['a', 'b', 'c'])
    })

    it('refuses a second one, until the first has released', () => {
      const { receiver } = open(false)
      const claim = receiver.claim(new Taker(0))
      expect(receiver.isClaimed).to.equal(true)
      expect(() => receiver.claim(new Taker(0)))
        .to.throw()
        .with.property('code', 'ERR_CONSUMER')
      claim.release()
      expect(receiver.isClaimed).to.equal(false)
      receiver.claim(new Taker(0))
    })

    it('that takes ahead is told by the right numbers, around a token that it is not given', () => {
      const request = Buffer.concat([encodeControl({ type: 'request' }), frame('q')])
      for (const notGiven of [request, encode(aborted())]) {
        const { receiver, feed, numbers } = open(false, 1_000, true)
        const taker = new Taker(4)
        const claim = receiver.claim(taker)
        feed(Buffer.concat([frame('a'), notGiven, frames('b', 'c')]))
        taker.ask(claim, 1)
        expect([taker.log, numbers]).to.deep.equal([
          ['a', 'b', 'c'],
          [1, 3, 4]
        ])
      }
    })

    it('leaves what was not wanted to the next one', () => {
      const { receiver, feed } = open(false)
      const first = new Taker(1)
      const claim = receiver.claim(first)
      feed(frames('a', 'b'))
      claim.release()
      const second = new Taker(5)
      receiver.claim(second).pull()
      expect([first.log, second.log]).to.deep.equal([['a'], ['b']])
    })

    it('ignores a release that comes again after another has claimed', () => {
      const { receiver } = open(false)
      const claim = receiver.claim(new Taker(0))
      claim.release()
      receiver.claim(new Taker(0))
      claim.release()
      expect(receiver.isClaimed).to.equal(true)
    })

    it('tells it the end after its tokens', () => {
      const { receiver, feed, log } = open(false)
      const taker = new Taker(1)
      const claim = receiver.claim(taker)
      feed(frames('a', 'b'))
      receiver.end()
      expect([taker.log, log]).to.deep.equal([['a'], []])
      taker.ask(claim, 2)
      expect([taker.log, log]).to.deep.equal([['a', 'b', 'finish'], ['end']])
    })

    it('tells the end only when it is no longer busy with its last token', () => {
      const { receiver, feed, log } = open(false)
      const taker = new Taker(1)
      taker.isBusy = true
      const claim = receiver.claim(taker)
      feed(frames('a'))
      receiver.end()
      expect([taker.log, log]).to.deep.equal([['a'], []])
      taker.isBusy = false
      taker.ask(claim, 1)
      expect([taker.log, log]).to.deep.equal([['a', 'finish'], ['end']])
    })

    it('says whether it may still answer', () => {
      const { receiver, log } = open(false)
      const taker = new Taker(1)
      taker.holdsOpen = true
      receiver.claim(taker)
      receiver.end()
      expect(log).to.deep.equal(['end, held open'])
    })

    for (const rest of ['', '00', '00 00 00 00 61']) {
      it(`gives it the tokens before a broken frame and then the error, with ${rest || 'nothing'} behind it`, () => {
        const { receiver, feed, log, events } = open(false)
        events.fail = error => {
          log.push(error.code)
          receiver.stop(error)
        }
        const taker = new Taker(5)
        receiver.claim(taker)
        feed(Buffer.concat([frames('a', 'b'), bytes(`ff ff ff ff ${rest}`)]))
        expect(log[0]).to.equal('ERR_CONTROL_FRAME')
        expect(taker.log).to.deep.equal(['a', 'b', 'ERR_CONTROL_FRAME'])
      })
    }

    it('gives what had arrived whole also after the socket is gone, and then the error', () => {
      const { receiver, feed } = open(false)
      const taker = new Taker(0)
      const claim = receiver.claim(taker)
      feed(Buffer.concat([frames('a', 'b'), bytes('00 00 00 05 61')]))
      receiver.stop({ code: 'ERR_SOCKET' } as TokenError)
      expect(taker.log).to.deep.equal([])
      taker.ask(claim, 1)
      expect(taker.log).to.deep.equal(['a'])
      taker.ask(claim, 2)
      expect(taker.log).to.deep.equal(['a', 'b', 'ERR_SOCKET'])
    })
  })

  describe('broken bytes', () => {
    it('a frame over the limit is told once, whatever follows', () => {
      const { receiver, feed, log } = open(true, 1)
      feed(frames('a', 'bc'))
      feed(frames('d'))
      receiver.end()
      expect(log).to.deep.equal(['a', 'ERR_TOKEN_TOO_LARGE'])
    })

    for (const cut of [1, 3, 4, 6]) {
      it(`an end after ${cut} bytes of a frame is a truncated token, and no end`, () => {
        const { receiver, feed, log } = open()
        feed(Buffer.concat([frame('a'), frame('xyz').subarray(0, cut)]))
        receiver.end()
        expect(log).to.deep.equal(['a', 'ERR_TRUNCATED'])
      })
    }
  })

  describe('discarding', () => {
    it('throws away and counts what is here and what comes, and sees the end', () => {
      const { receiver, feed, log } = open(false)
      feed(frame(pattern(100 * KIB)))
      receiver.discardUnclaimed()
      feed(frame('abc'))
      receiver.end()
      expect(log).to.deep.equal(['discard', 'end'])
      expect(receiver.undeliveredBytes).to.equal(100 * KIB + 4 + 7)
    })

    it('tells the end at once when it came before', () => {
      const { receiver, feed, log } = open(false)
      feed(frame('abc'))
      receiver.end()
      receiver.discardUnclaimed()
      expect(log).to.deep.equal(['abandoned', 'discard', 'end'])
      expect(receiver.undeliveredBytes).to.equal(7)
    })

    it('leaves a consumer its tokens', () => {
      const { receiver, feed, log } = open()
      receiver.discardUnclaimed()
      feed(frames('a'))
      receiver.end()
      expect(log).to.deep.equal(['a', 'end'])
    })

    it('begins when the consumer goes', () => {
      const { receiver, feed, log } = open(false)
      const claim = receiver.claim(new Taker(0))
      const body = pattern(30 * KIB)
      for (let i = 0; i < 3; i++) feed(frame(body))
      receiver.discardUnclaimed()
      expect(log).to.deep.equal([])
      claim.release()
      for (let i = 0; i < 2; i++) feed(frame(body))
      receiver.end()
      expect(log).to.deep.equal(['discard', 'end'])
      expect(receiver.undeliveredBytes).to.equal(5 * (30 * KIB + 4))
    })

    it('begins when the last listener goes', () => {
      const { receiver, feed, log, events } = open()
      receiver.discardUnclaimed()
      events.onToken = token => {
        log.push(`token of ${token.length}`)
        events.hasListeners = false
      }
      const body = pattern(30 * KIB)
      for (let i = 0; i < 5; i++) feed(frame(body))
      receiver.end()
      expect(log).to.deep.equal([`token of ${30 * KIB}`, 'discard', 'end'])
    })

    it('hands out nothing more of the chunk when it begins inside a listener', () => {
      const { receiver, feed, log, events } = open()
      events.onToken = token => {
        log.push(String(token))
        receiver.discard()
      }
      feed(frames('a', 'b', 'c'))
      expect([log, receiver.tokens, receiver.undeliveredBytes]).to.deep.equal([['a', 'discard'], 1, 10])
    })

    it('reads no frames any more: broken bytes are no error', () => {
      const { receiver, feed, log } = open()
      receiver.discard()
      feed(bytes('ff ff ff ff'))
      expect([log, receiver.undeliveredBytes]).to.deep.equal([['discard'], 4])
    })

    it('ends a consumer that comes too late at once', () => {
      const { receiver } = open(false)
      receiver.discardUnclaimed()
      const taker = new Taker(1)
      receiver.claim(taker)
      expect(taker.log).to.deep.equal(['finish'])
    })
  })

  describe('before it is open', () => {
    it('hands out nothing, and then everything', () => {
      const { receiver, feed, log } = make()
      feed(frames('a', 'b'))
      expect([log, receiver.unreadBytes]).to.deep.equal([[], 10])
      receiver.open()
      expect([log, receiver.unreadBytes]).to.deep.equal([['a', 'b'], 0])
    })

    it('keeps an end that came for after the tokens', () => {
      const { receiver, feed, log } = make()
      feed(frames('a'))
      receiver.end()
      receiver.open()
      expect(log).to.deep.equal(['a', 'end'])
    })

    it('gives nobody what had arrived when the socket goes, but the error', () => {
      const { receiver, feed, log } = make()
      feed(frames('a'))
      const taker = new Taker(2)
      const claim = receiver.claim(taker)
      receiver.stop({ code: 'ERR_SOCKET' } as TokenError)
      expect([taker.log, log, receiver.undeliveredBytes]).to.deep.equal([['ERR_SOCKET'], [], 5])
      claim.pull()
      const later = new Taker(2)
      receiver.claim(later)
      expect(later.log).to.deep.equal(['ERR_SOCKET'])
    })
  })

  describe('a token', () => {
    it('is handed when its listeners have returned, also when one has thrown, and this is told once for all that came together', async () => {
      const { feed, handed, events } = open()
      const seen: unknown[][] = []
      events.onToken = () => {
        seen.push([...handed])
        throw new Error('in the listener')
      }
      await uncaughtDuring(async () => {
        feed(frames('a', 'bcd'), frame('e'))
        await settled()
      })
      expect(seen).to.deep.equal([[], [], [[2, 12]]])
      expect(handed).to.deep.equal([
        [2, 12],
        [1, 5]
      ])
    })

    it('is handed before all is thrown away, when a listener closes in the middle', () => {
      const { receiver, feed, handed, events } = open()
      events.onToken = token => {
        if (String(token) === 'b') receiver.discard()
      }
      feed(frames('a', 'b', 'c'))
      expect([handed, receiver.tokens]).to.deep.equal([
        [
          [1, 5],
          [1, 5]
        ],
        2
      ])
    })

    it('is handed when the consumer asks for the next one', () => {
      const { receiver, feed, handed } = open(false)
      const taker = new Taker(1)
      const claim = receiver.claim(taker)
      feed(frames('a', 'bcd'))
      expect([taker.log, handed]).to.deep.equal([['a'], []])
      taker.ask(claim, 1)
      expect([taker.log, handed]).to.deep.equal([['a', 'bcd'], [[1, 5]]])
      claim.pull()
      claim.pull()
      expect(handed).to.deep.equal([
        [1, 5],
        [1, 7]
      ])
    })

    it('is handed when the consumer leaves', () => {
      const { receiver, feed, handed } = open(false)
      const claim = receiver.claim(new Taker(1))
      feed(frames('a', 'b'))
      claim.release()
      expect(handed).to.deep.equal([[1, 5]])
    })

    it('is handed but the last, when a consumer wants several', () => {
      const { receiver, feed, handed } = open(false)
      receiver.claim(new Taker(3))
      feed(frames('a', 'bc', 'def'))
      expect(handed).to.deep.equal([[2, 11]])
    })
  })

  describe('after each delivery', () => {
    it('says whether a whole token may be left', () => {
      const { receiver, feed, events } = open(false)
      feed(frames('a'))
      expect(events.isDrained).to.equal(false)
      events.hasListeners = true
      receiver.deliver()
      expect(events.isDrained).to.equal(true)
      feed(bytes('00 00 00 05'))
      expect([events.isDrained, receiver.isMidFrame]).to.deep.equal([true, true])
    })
  })
})
