import { expect } from 'chai'
import fc from 'fast-check'
import type { Connection, ConnectionOptions, ProtocolOptions } from '../../lib'
import type { TokenError } from '../../lib/errors/token-error'
import type { IncomingToken } from '../../lib/receiving/incoming-token'
import { FEATURE_ACK, FEATURE_END, FEATURE_PART } from '../../lib/wire/hello'
import { bytes, frame, pattern } from '../helpers/bytes'
import { settled } from '../helpers/moments'
import { connectionAndPeer, destroyPairs } from '../helpers/pairs'
import { aborted, encode, recut, whole } from '../helpers/parts'
import { rejection } from '../helpers/refusal'
import { type BarePeer, close, destroyTransports, greeted as greetedBy } from '../helpers/token-2'

const DONE = { done: true, value: undefined }
const KIB = 1024
const ABORT = bytes('80 00 00 01 86')

const FEATURES = FEATURE_ACK | FEATURE_PART | FEATURE_END

/** A peer that sends parts. */
function greeted(role: 'server', options?: ConnectionOptions & ProtocolOptions): Promise<BarePeer> {
  return greetedBy(role, options, undefined, { features: FEATURES })
}

async function nextOf(tokens: AsyncIterator<IncomingToken, undefined>): Promise<IncomingToken> {
  const { value } = await tokens.next()
  if (value === undefined) throw new Error('there is no token')
  return value
}

async function all(token: IncomingToken): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of token) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

/** Every token as its text, or the code of the error that it threw. */
async function texts(connection: Connection): Promise<string[]> {
  const log: string[] = []
  for await (const token of connection.incomingTokens()) {
    log.push(await all(token).catch((error: TokenError) => error.code))
  }
  return log
}

describe('connection.incomingTokens()', () => {
  afterEach(async () => {
    await destroyPairs()
    await destroyTransports()
  })

  it('gives the bytes of a token as they arrive, without a copy, on token/1 too', async () => {
    const { connection, peer } = connectionAndPeer()
    const tokens = connection.incomingTokens()
    const input = frame('hello')
    peer.write(input.subarray(0, 6))
    const token = await nextOf(tokens)
    expect([token.bytesRead, token.isComplete]).to.deep.equal([0, false])
    expect(String((await token.next()).value)).to.equal('he')
    peer.write(input.subarray(6))
    expect(String((await token.next()).value)).to.equal('llo')
    expect([token.bytesRead, token.isComplete]).to.deep.equal([5, true])
    expect(await token.next()).to.deep.equal(DONE)
  })

  it('gives empty tokens, which have no piece', async () => {
    const peer = await greeted('server')
    const seen = texts(peer.connection)
    await peer.say('', 'a', '', close())
    expect(await seen).to.deep.equal(['', 'a', ''])
  })

  it('ends when the peer has ended, and everything that was read is counted', async () => {
    const peer = await greeted('server')
    const seen = texts(peer.connection)
    const long = recut(whole(pattern(40 * KIB).toString('latin1')), 16 * KIB)
    await peer.say('a', encode(long), 'b')
    await peer.say(close())
    expect((await seen).map(text => text.length)).to.deep.equal([
      1,
      Buffer.concat(long.parts).toString().length,
      1
    ])
    expect(peer.frames().at(-1)).to.include({ type: 'close', handed: 3 })
  })

  it('counts a token as handed when more is asked for than its last piece', async () => {
    const peer = await greeted('server')
    const acks = () => peer.frames(true).filter(one => typeof one === 'object' && one.type === 'ack')
    const tokens = peer.connection.incomingTokens()
    await peer.say('a', 'b')
    const token = await nextOf(tokens)
    await token.next()
    await settled()
    expect([acks(), peer.connection.tokensReceived]).to.deep.equal([[], 1])
    expect(await token.next()).to.deep.equal(DONE)
    await settled()
    expect(acks()).to.deep.equal([{ type: 'ack', handed: 1 }])
    expect(String((await (await nextOf(tokens)).next()).value)).to.equal('b')
    void tokens.next()
    await settled()
    expect(acks().at(-1)).to.deep.equal({ type: 'ack', handed: 2 })
  })

  it('counts a token that was passed over as handed once all of it was skipped', async () => {
    const peer = await greeted('server')
    const tokens = peer.connection.incomingTokens()
    await peer.say(frame('abcdef').subarray(0, 7))
    const first = await nextOf(tokens)
    await first.next()
    const second = tokens.next()
    await peer.say(frame('abcdef').subarray(7, 9))
    expect(peer.connection.tokensReceived).to.equal(0)
    await peer.say(frame('abcdef').subarray(9), 'next')
    expect(await all((await second).value as IncomingToken)).to.equal('next')
    await settled()
    expect(peer.frames(true).at(-1)).to.deep.equal({ type: 'ack', handed: 2 })
    expect((await rejection(first.next())).code).to.equal('ERR_CONSUMER')
    expect(await first.next()).to.deep.equal(DONE)
  })

  it('skips the rest of a token whose loop was left, and of the one at hand when all is left', async () => {
    const peer = await greeted('server')
    const log: string[] = []
    const run = async () => {
      for await (const token of peer.connection.incomingTokens()) {
        for await (const piece of token) {
          log.push(String(piece))
          break
        }
        if (log.length === 2) break
      }
    }
    const running = run()
    await peer.say(frame('abcdef').subarray(0, 6))
    await peer.say(frame('abcdef').subarray(6), frame('ghi').subarray(0, 6))
    await running
    peer.connection.on('token', token => void log.push(`whole ${token}`))
    await peer.say(frame('ghi').subarray(6), 'jk')
    expect(log).to.deep.equal(['ab', 'gh', 'whole jk'])
    expect(peer.connection.tokensReceived).to.equal(3)
  })

  it('gives answers in order to calls of next() that were made at once', async () => {
    const peer = await greeted('server')
    const tokens = peer.connection.incomingTokens()
    const [first, second] = [tokens.next(), tokens.next()]
    await peer.say('a', frame('bcd').subarray(0, 5))
    expect((await rejection(((await first).value as IncomingToken).next())).code).to.equal('ERR_CONSUMER')
    const token = (await second).value as IncomingToken
    const [one, two, three] = [token.next(), token.next(), token.next()]
    await peer.say(frame('bcd').subarray(5))
    expect(String((await one).value) + String((await two).value)).to.equal('bcd')
    expect(await three).to.deep.equal(DONE)
    await settled()
    expect(peer.frames(true).at(-1)).to.deep.equal({ type: 'ack', handed: 2 })
  })

  describe('with ABORT', () => {
    const begun = encode(aborted('x'.repeat(16 * KIB))).subarray(0, 16 * KIB + 9)

    it('throws for the token that was begun, and goes on with the next', async () => {
      const peer = await greeted('server')
      const seen = texts(peer.connection)
      await peer.say('a', begun)
      await peer.say(ABORT, 'b')
      await peer.say(close())
      expect(await seen).to.deep.equal(['a', 'ERR_TOKEN_ABORTED', 'b'])
      expect(peer.frames().at(-1)).to.include({ type: 'close', handed: 3 })
    })

    it('passes over one that was not begun', async () => {
      const peer = await greeted('server')
      const seen = texts(peer.connection)
      await peer.say('a', ABORT, ABORT, 'b', close())
      expect(await seen).to.deep.equal(['a', 'b'])
      expect(peer.frames().at(-1)).to.include({ type: 'close', handed: 4 })
    })

    it('at CLOSE between two parts throws for the token, and ends in order', async () => {
      const peer = await greeted('server')
      const seen = texts(peer.connection)
      await peer.say('a', begun)
      await peer.say(close())
      expect(await seen).to.deep.equal(['a', 'ERR_TOKEN_ABORTED'])
      expect(peer.frames().at(-1)).to.include({ type: 'close', handed: 1 })
      peer.socket.end()
      expect(await peer.connection.closed).to.include({ code: 'normal' })
    })
  })

  it('throws what broke the connection, at the token in the middle of which it broke and at the next', async () => {
    const peer = await greeted('server')
    const tokens = peer.connection.incomingTokens()
    await peer.say('a', frame('bcd').subarray(0, 6))
    expect(await all(await nextOf(tokens))).to.equal('a')
    const token = await nextOf(tokens)
    await token.next()
    peer.socket.end()
    await peer.connection.closed
    expect((await rejection(token.next())).code).to.equal('ERR_LOST')
    expect((await rejection(tokens.next())).code).to.equal('ERR_LOST')
    expect(await tokens.next()).to.deep.equal(DONE)
  })

  it('throws ERR_TRUNCATED on token/1 when the peer ends in the middle', async () => {
    const { connection, peer } = connectionAndPeer()
    const tokens = connection.incomingTokens()
    peer.end(frame('abc').subarray(0, 6))
    const token = await nextOf(tokens)
    expect(String((await token.next()).value)).to.equal('ab')
    expect((await rejection(token.next())).code).to.equal('ERR_TRUNCATED')
  })

  it('excludes other consumers', async () => {
    const peer = await greeted('server')
    const tokens = peer.connection.incomingTokens()
    for (const other of [
      () => peer.connection.incomingTokens(),
      () => peer.connection[Symbol.asyncIterator](),
      () => peer.connection.stream(),
      () => peer.connection.on('token', () => {})
    ]) {
      expect(other).to.throw().with.property('code', 'ERR_CONSUMER')
    }
    await tokens.return?.()
    peer.connection.on('token', () => {})
    expect(() => peer.connection.incomingTokens())
      .to.throw()
      .with.property('code', 'ERR_CONSUMER')
  })

  it('takes nothing, and gives no credit, before something is asked for', async () => {
    const window = 64 * KIB
    const peer = await greeted('server', { receiveWindow: window })
    const windows = () => peer.frames(true).filter(one => typeof one === 'object' && one.type === 'window')
    const tokens = peer.connection.incomingTokens()
    await peer.say(frame(pattern(window - 4)))
    await settled()
    expect([peer.connection.unreadBytes, windows()]).to.deep.equal([window, []])
    const token = await nextOf(tokens)
    await settled()
    expect([peer.connection.unreadBytes, windows()]).to.deep.equal([window - 4, []])
    await token.next()
    await settled()
    expect(peer.connection.unreadBytes).to.equal(0)
    expect(windows()).to.deep.equal([{ type: 'window', granted: window }])
  })

  it('holds no more than the window of a token of 64 MiB in parts, however slowly it is read', async () => {
    const window = 256 * KIB
    const length = 64 * KIB * KIB
    const part = Buffer.concat([bytes('80 00 00 01 85'), frame(Buffer.alloc(64 * KIB, 7))])
    const peer = await greeted('server', {
      receiveWindow: window,
      maxStreamLength: length,
      maxTokenLength: 64 * KIB
    })
    let credit = window
    let seen = 0
    let most = 0
    const read = async () => {
      let sum = 0
      for await (const token of peer.connection.incomingTokens()) {
        for await (const piece of token) {
          sum += piece.length
          if (sum % 5 === 0) await settled()
          most = Math.max(most, peer.connection.unreadBytes)
        }
        return sum
      }
      return 0
    }
    const reading = read()
    for (let sent = 0; sent < length; ) {
      for (const one of peer.seen.slice(seen)) {
        if (typeof one === 'object' && one.type === 'window')
          credit = (one.granted as number) + window - sent - (sent / (64 * KIB)) * 4
      }
      seen = peer.seen.length
      if (credit > 0) {
        peer.socket.write(sent + 64 * KIB === length ? part.subarray(5) : part)
        sent += 64 * KIB
        credit -= 64 * KIB + 4
      } else {
        if (peer.connection.isDead) throw new Error(peer.log.join())
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    expect(await reading).to.equal(length)
    expect(most).to.be.within(1, window + 64 * KIB + 5 * 5)
  }).timeout(60_000)

  it('gives the same bytes whatever the tokens, the cuts and the pace are', async () => {
    const token = fc.record({
      length: fc.oneof(fc.nat({ max: 50 }), fc.integer({ min: 16 * KIB, max: 70 * KIB })),
      isAborted: fc.boolean(),
      skip: fc.nat({ max: 3 })
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(token, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
        async (list, sizes, pauses) => {
          const peer = await greeted('server', { receiveWindow: 0xffff_ffff })
          const sent = list.map(({ length, isAborted }, i) =>
            isAborted && length < 16 * KIB
              ? aborted()
              : { ...recut(whole(pattern(length, i)), 16 * KIB + i), isAborted }
          )
          for (const one of sent) {
            // Each part that another follows has 16 KiB.
            if (one.isAborted && one.parts.length > 1) (one.parts as Buffer[]).pop()
          }
          const input = Buffer.concat([...sent.map(encode)])
          const log: string[] = []
          let turn = 0
          const read = async () => {
            for await (const one of peer.connection.incomingTokens()) {
              const pieces: Buffer[] = []
              try {
                for await (const piece of one) {
                  pieces.push(piece)
                  if (pauses[turn++ % pauses.length]) await new Promise(resolve => setImmediate(resolve))
                }
                log.push(Buffer.concat(pieces).toString('hex'))
              } catch (error) {
                log.push((error as TokenError).code)
              }
            }
          }
          const reading = read()
          for (let at = 0, i = 0; at < input.length; i++) {
            const size = sizes[i % sizes.length] as number
            peer.socket.write(input.subarray(at, at + size))
            at += size
            if (i % 3 === 0) await new Promise(resolve => setImmediate(resolve))
          }
          await peer.say(close())
          await reading
          const expected = sent
            .filter(one => !one.isAborted || one.parts.length > 0)
            .map(one => (one.isAborted ? 'ERR_TOKEN_ABORTED' : Buffer.concat(one.parts).toString('hex')))
          expect(log.length).to.equal(expected.length)
          for (const [i, text] of expected.entries()) expect(log[i] === text, `${i}`).to.equal(true)
          expect(peer.connection.tokensReceived).to.equal(sent.length)
        }
      ),
      { numRuns: 60, ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }) }
    )
  }).timeout(60_000)
})
