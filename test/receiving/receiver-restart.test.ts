import { expect } from 'chai'
import type { TokenError } from '../../lib/errors/token-error'
import type { IncomingToken } from '../../lib/receiving/incoming-token'
import { IncomingTokens } from '../../lib/receiving/incoming-tokens'
import { Receiver } from '../../lib/receiving/receiver'
import { TokenIterator } from '../../lib/receiving/token-iterator'
import { settled } from '../helpers/moments'
import { aborted, costOfSent, encode, type SentToken, whole } from '../helpers/parts'

function make(hasListeners: boolean) {
  const log: string[] = []
  const told = { count: 0, cost: 0 }
  const events = {
    hasListeners,
    onToken: (token: Buffer): void => void log.push(String(token)),
    handed: (count: number, _last: number, cost: number): void => {
      told.count += count
      told.cost += cost
    },
    tokenAborted: (number: number): void => void log.push(`aborted ${number}`),
    fail: (error: TokenError): void => void log.push(error.code),
    allHanded: (): void => void log.push('end'),
    armClose: (): void => void log.push('abandoned')
  }
  const receiver = new Receiver(1000, events, events, true)
  receiver.protocol = events
  receiver.open()
  const feed = (bytes: Buffer) => {
    receiver.push(bytes)
    receiver.deliver()
  }
  return { receiver, feed, log, told, events }
}

const sequence = [
  whole('abc'),
  whole('de', 'fg', ''),
  aborted(),
  aborted('hi'),
  whole(''),
  whole('jkl', 'm'),
  whole('no')
]
const input = Buffer.concat(sequence.map(encode))

/** Whole tokens, aborted ones too, in the first `length` bytes. */
function wholeIn(length: number): number {
  let at = 0
  return sequence.filter(token => {
    at += encode(token).length
    return at <= length
  }).length
}

const costOfAll = (tokens: readonly SentToken[]) => tokens.reduce((sum, one) => sum + costOfSent(one), 0)
const text = ({ parts }: SentToken) => Buffer.concat(parts).toString()

/** What a consumer that sees no aborts has in the end. */
const texts = sequence.filter(({ isAborted }) => !isAborted).map(text)

describe('Receiver, restarted', () => {
  it('a restart at every byte goes on with listeners: every token once, whole and in order', () => {
    for (let cut = 0; cut <= input.length; cut++) {
      const { receiver, feed, log, told } = make(true)
      feed(input.subarray(0, cut))
      const arrived = receiver.restart()
      expect(arrived, `${cut}`).to.equal(wholeIn(cut))
      expect(receiver.heldBytes).to.equal(0)
      const before = told.cost
      feed(Buffer.concat(sequence.slice(arrived).map(encode)))
      expect(
        log.filter(line => !line.startsWith('aborted')),
        `${cut}`
      ).to.deep.equal(texts)
      expect(receiver.tokens).to.equal(sequence.length)
      // What came twice was freed on each transport for itself.
      expect(told.cost - before, `${cut}`).to.equal(costOfAll(sequence.slice(arrived)))
    }
  })

  it('a restart at every byte keeps what nobody has taken, and frees it once it is taken', () => {
    for (let cut = 0; cut <= input.length; cut++) {
      const { receiver, feed, log, told, events } = make(false)
      feed(input.subarray(0, cut))
      const arrived = receiver.restart()
      expect([arrived, receiver.heldBytes]).to.deep.equal([
        wholeIn(cut),
        costOfAll(sequence.slice(0, arrived))
      ])
      feed(Buffer.concat(sequence.slice(arrived).map(encode)))
      events.hasListeners = true
      receiver.deliver()
      expect(log.filter(line => !line.startsWith('aborted'))).to.deep.equal(texts)
      expect(log.filter(line => line.startsWith('aborted'))).to.deep.equal(['aborted 3', 'aborted 4'])
      expect(told).to.deep.equal({ count: sequence.length - 2, cost: costOfAll(sequence) })
    }
  })

  it('a restart inside a listener counts the token that the listener has, and frees nothing for it', () => {
    const { receiver, feed, told, events } = make(true)
    let arrived = 0
    events.onToken = token => {
      if (String(token) === 'defg') arrived = receiver.restart()
    }
    feed(Buffer.concat([encode(whole('abc')), encode(whole('defg')), encode(whole('h')), Buffer.of(0, 0)]))
    expect([arrived, receiver.tokens]).to.deep.equal([3, 3])
    // `h` was held over the cut, the others came and were taken before it.
    expect(told).to.deep.equal({ count: 3, cost: 5 })
  })

  it('gives an iterator what it waits for, and frees nothing for the token that it has', async () => {
    const { receiver, feed, told } = make(false)
    const iterator = new TokenIterator(consumer => receiver.claim(consumer))
    const first = iterator.next()
    feed(input.subarray(0, encode(whole('abc')).length + 3))
    expect(String((await first).value)).to.equal('abc')
    expect(receiver.restart()).to.equal(1)
    expect([receiver.heldBytes, told.count]).to.deep.equal([0, 0])
    feed(Buffer.concat(sequence.slice(1).map(encode)))
    const tokens: string[] = []
    for (let i = 1; i < texts.length; i++) tokens.push(String((await iterator.next()).value))
    expect(tokens).to.deep.equal(texts.slice(1))
    const last = texts.at(-1)?.length ?? 0
    expect(told).to.deep.equal({ count: texts.length - 1, cost: costOfAll(sequence.slice(1)) - last - 4 })
  })

  describe('while its tokens are read in pieces', () => {
    /** Reads up to `most` pieces and tokens, then waits. */
    function reader(receiver: Receiver) {
      const tokens = new IncomingTokens(consumer => receiver.claim(consumer))
      const log: string[] = []
      let credit = 0
      let wake = () => {}
      const allow = (more: number) => {
        credit += more
        wake()
      }
      const allowed = async () => {
        while (credit === 0) await new Promise<void>(resolve => (wake = resolve))
        credit--
      }
      const read = async (token: IncomingToken) => {
        let result = ''
        try {
          for (;;) {
            await allowed()
            const { value, done } = await token.next()
            if (done) break
            result += value
          }
          log.push(result)
          expect(token).to.include({ isComplete: true, bytesRead: result.length })
        } catch (error) {
          log.push((error as TokenError).code)
        }
      }
      const run = async () => {
        for (;;) {
          await allowed()
          const { value, done } = await tokens.next()
          if (done) return
          await read(value)
        }
      }
      const running = run()
      return { log, allow, running }
    }

    for (const most of [0, 1, 2, 3, 4, 6, 9, 1000]) {
      it(`a restart at every byte, after ${most} pieces, goes on without a gap`, async () => {
        for (let cut = 0; cut <= input.length; cut++) {
          const { receiver, feed, told } = make(false)
          const { log, allow } = reader(receiver)
          allow(most)
          feed(input.subarray(0, cut))
          await settled()
          const arrived = receiver.restart()
          expect(arrived, `${cut}`).to.equal(wholeIn(cut))
          const { heldBytes } = receiver
          const before = told.cost
          feed(Buffer.concat(sequence.slice(arrived).map(encode)))
          allow(1000)
          await settled()
          await settled()
          const seen = log.filter(line => line !== 'ERR_TOKEN_ABORTED')
          expect(seen, `${cut}`).to.deep.equal(texts)
          expect(receiver.tokens).to.equal(sequence.length)
          // What the reader had taken of the frame at hand belongs to the old transport.
          const rest = heldBytes + costOfAll(sequence.slice(arrived))
          expect(told.cost - before, `${cut}`).to.equal(rest)
        }
      })
    }
  })
})

describe('Receiver, at the end of a connection', () => {
  it('throws a token away that has no last part, and nobody has to wait for it', () => {
    for (const hasListeners of [true, false]) {
      const { receiver, feed, log } = make(hasListeners)
      feed(encode(whole('ab', 'cd')).subarray(0, 11))
      receiver.end(true)
      expect(log).to.deep.equal(['end'])
      expect(receiver.tokens).to.equal(0)
    }
  })

  it('tells who reads it that it is void, and then the end', async () => {
    const { receiver, feed, log } = make(false)
    const tokens = new IncomingTokens(consumer => receiver.claim(consumer))
    const first = tokens.next()
    feed(encode(whole('ab', 'cd')).subarray(0, 11))
    const token = (await first).value as IncomingToken
    expect(String((await token.next()).value)).to.equal('ab')
    receiver.end()
    expect(log).to.deep.equal([])
    const caught = await token.next().catch((error: TokenError) => error)
    expect(caught).to.include({ code: 'ERR_TOKEN_ABORTED' })
    expect(await tokens.next()).to.deep.equal({ done: true, value: undefined })
    expect([log, receiver.tokens]).to.deep.equal([['end'], 0])
  })
})
