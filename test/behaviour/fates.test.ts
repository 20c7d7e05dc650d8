import { Readable } from 'node:stream'
import { expect } from 'chai'
import { type Connection, controlOf } from '../../lib/connection/connection'
import type { DeliverOptions } from '../../lib/connection/connection-context'
import { CLOSE_CODES, type WireCloseCode } from '../../lib/errors/close-codes'
import type { TokenError } from '../../lib/errors/token-error'
import type { FakeClock } from '../../lib/testing'
import {
  FEATURE_ACK,
  FEATURE_END,
  FEATURE_PART,
  FEATURE_SESSION,
  FEATURE_STREAM,
  type Hello
} from '../../lib/wire/hello'
import { usesFakeClock } from '../helpers/fake-clock'
import { awake, settled, uncaughtDuring } from '../helpers/moments'
import { BarePeer, close, destroyTransports, greeted, helloFrom, openPair } from '../helpers/token-2'
import { walkedDuring } from '../helpers/walked'

const SESSION = { windowBytes: 100_000, resumeTimeout: 60_000 }

/** What is known of each token by its text. */
function fates(connection: Connection) {
  const known: Record<string, string> = {}
  const track = (text: string, promise: Promise<void>) => {
    known[text] = 'pending'
    promise.then(
      () => {
        known[text] = 'handed'
      },
      (error: TokenError) => {
        known[text] = error.code
      }
    )
  }
  const deliver = (text: string, options = {}) => track(text, connection.deliver(Buffer.from(text), options))
  return { known, deliver, track }
}

function helloWithSession(): Partial<Hello> {
  return {
    features: FEATURE_ACK | FEATURE_END | FEATURE_SESSION,
    session: {
      id: Buffer.alloc(16, 1),
      epoch: Buffer.alloc(8, 2),
      generation: 1,
      received: 0,
      handed: 0,
      lookup: 'new'
    }
  }
}

describe('the fate of a token', () => {
  let clock: FakeClock

  afterEach(destroyTransports)

  usesFakeClock(made => {
    clock = made
  })

  describe('a listener of `drain`, when room was made', () => {
    const abort = new AbortController()
    const failing = new Readable({ read() {} })
    /** Makes the token B, then the room. */
    const ways: Record<string, (peer: BarePeer, told: ReturnType<typeof fates>) => () => unknown> = {
      'by a signal': (_peer, { deliver }) => {
        deliver('B'.repeat(200), { signal: abort.signal })
        return () => abort.abort()
      },
      'by a timeout': (_peer, { deliver }) => {
        deliver('B'.repeat(200), { timeout: 100 })
        return () => clock.elapse(100)
      },
      'by what is dropped': ({ connection }, { deliver }) => {
        deliver('B'.repeat(200))
        return () => controlOf(connection).delivering.dropOldest(1)
      },
      'by a stream that fails': ({ connection }, { deliver, track }) => {
        track('B', connection.sendFrom(failing))
        deliver('B'.repeat(200), { timeout: 100 })
        return async () => {
          failing.destroy(new Error('disk'))
          await clock.elapse(100)
        }
      }
    }
    for (const [way, begin] of Object.entries(ways)) {
      it(`delivers a token with a fate of its own: room was made ${way}`, async () => {
        const features = FEATURE_ACK | FEATURE_END | FEATURE_PART
        const peer = await greeted('client', { highWaterMark: 100 }, {}, { receiveWindow: 1, features })
        const { connection } = peer
        const told = fates(connection)
        told.deliver('A')
        await settled()
        const makeRoom = begin(peer, told)
        told.deliver('C')
        connection.once('drain', () => told.deliver('D'))
        await makeRoom()
        await settled()
        await peer.say({ type: 'window', granted: 1000 })
        expect(peer.frames()).to.deep.equal(['A', 'C', 'D'])
        await peer.say({ type: 'ack', handed: 2 })
        expect([told.known.A, told.known.C, told.known.D]).to.deep.equal(['handed', 'handed', 'pending'])
        await peer.say({ type: 'ack', handed: 3 })
        expect([told.known.D, connection.isOpen]).to.deep.equal(['handed', true])
      })
    }
  })

  it('a fate is told also when each listener of `drain` throws', async () => {
    const peer = await greeted('client', { highWaterMark: 10 })
    const { known, deliver } = fates(peer.connection)
    const failure = new Error('in the listener')
    peer.connection.on('drain', () => {
      throw failure
    })
    const caught = await uncaughtDuring(async () => {
      for (let round = 1; round <= 3; round++) {
        deliver(`${round}`.repeat(100))
        await settled()
        await peer.say({ type: 'ack', handed: round })
      }
    })
    expect(caught).to.deep.equal([failure, failure, failure])
    expect(Object.values(known)).to.deep.equal(['handed', 'handed', 'handed'])
  })

  it('`drain` comes after tokens that turned out too long were taken out at `open`', async () => {
    const peer = new BarePeer('client', { highWaterMark: 100 })
    let drains = 0
    peer.connection.on('drain', () => drains++)
    peer.connection.send(Buffer.alloc(200))
    await peer.say(helloFrom('server', { maxTokenLength: 50, receiveWindow: 0 }))
    expect([drains, peer.connection.writableNeedDrain]).to.deep.equal([1, false])
  })

  describe('a token above the count of a CLOSE', () => {
    const CODES = (Object.keys(CLOSE_CODES) as WireCloseCode[]).filter(code =>
      (CLOSE_CODES[code].in as readonly string[]).includes('close')
    )
    const states: Record<string, (peer: BarePeer) => Promise<void>> = {
      open: async () => {},
      'closing, with a token that waits for credit': async ({ connection }) => {
        connection.send(Buffer.from('waits'))
        connection.close()
        await settled()
      },
      'closing, with everything out and CLOSE said': async peer => {
        await peer.say({ type: 'window', granted: 1000 })
        peer.connection.close()
        await settled()
        expect(peer.frames().at(-1)).to.deep.equal(close())
      }
    }
    for (const hasSession of [true, false]) {
      for (const [state, begin] of Object.entries(states)) {
        it(`has a final fate if and only if nothing goes on after the code of CLOSE: ${hasSession ? 'with' : 'without'} a session, ${state}`, async () => {
          for (const code of CODES) {
            const context = hasSession ? { session: SESSION } : {}
            const hello = { ...(hasSession && helloWithSession()), receiveWindow: 8 }
            const peer = await greeted('client', {}, context, hello)
            const { known, deliver } = fates(peer.connection)
            for (const text of ['had', 'left']) deliver(text)
            await settled()
            await begin(peer)
            expect(peer.connection.tokensSent - peer.connection.tokensUnsent).to.equal(2)
            await peer.say(close(CLOSE_CODES[code].number, 1))
            peer.connection.destroy()
            peer.socket.destroy()
            await peer.connection.closed
            await settled()
            const isFinal = !hasSession || !CLOSE_CODES[code].keepsSession
            expect(known, code).to.deep.equal({
              had: 'handed',
              left: isFinal ? 'ERR_NOT_SENT' : 'ERR_FATE_UNKNOWN'
            })
          }
        })
      }
    }
  })
})

describe('giving up one token of many', () => {
  const MANY = 3_000

  async function crowded(options: (index: number) => DeliverOptions) {
    const peer = await greeted('client', { outboxBytes: 20_000_000 }, {}, { receiveWindow: 1 })
    peer.connection.send(Buffer.from('first'))
    await settled()
    const codes = Array.from({ length: MANY }, (_, index) =>
      peer.connection.deliver(Buffer.alloc(10), options(index)).catch((error: TokenError) => error.code)
    )
    const last = peer.connection.deliver(Buffer.from('last'))
    return { peer, codes, last }
  }

  afterEach(destroyTransports)

  /** Which of 100 signals gives a token up; they abort one after the other. */
  const orders: Record<string, (index: number) => number> = {
    'the oldest first': index => Math.floor(index / 100),
    'the newest first': index => 99 - Math.floor(index / 100),
    'in any order': index => (index * 7919) % 100,
    'all by one signal': () => 0
  }
  for (const [order, at] of Object.entries(orders)) {
    it(`costs no more than alone: ${order}`, async () => {
      const signals = Array.from({ length: 100 }, () => new AbortController())
      const { peer, codes, last } = await crowded(index => ({ signal: signals[at(index)]?.signal }))
      const walked = await walkedDuring(async () => {
        for (const signal of signals) signal.abort()
        await Promise.all(codes)
      })
      expect(walked).to.be.below(10 * MANY)
      expect(new Set(await Promise.all(codes))).to.deep.equal(new Set(['ERR_NOT_SENT']))
      expect(peer.connection.bufferedAmount).to.equal(8)
      await peer.say({ type: 'window', granted: 100 })
      await peer.say({ type: 'ack', handed: 2 })
      await last
      expect(peer.frames()).to.deep.equal(['first', 'last'])
    })
  }

  it('costs no more than alone: by a timeout', async () => {
    const { codes } = await crowded(() => ({ timeout: 50 }))
    const walked = await walkedDuring(() => awake(Promise.all(codes)))
    expect(walked).to.be.below(10 * MANY)
    expect(new Set(await Promise.all(codes))).to.deep.equal(new Set(['ERR_NOT_SENT']))
  })
})

describe('sendFrom() to a peer that takes shorter data frames than this side would send', () => {
  afterEach(destroyTransports)

  const KIB = 1024
  for (const limit of [16 * KIB, 16 * KIB + 1, 32 * KIB, 64 * KIB, 100_000, 262_134, 262_135, 262_136]) {
    it(`keeps each of them within ${limit} bytes, whatever the stream gives`, async () => {
      const { client, server } = await openPair({
        client: { maxTokenLength: 400_000 },
        server: { maxTokenLength: limit, maxStreamLength: 2 ** 30, outboxBytes: 1_000_000 }
      })
      const lengths: number[] = []
      void (async () => {
        for await (const token of server.incomingTokens()) {
          let length = 0
          for await (const piece of token) length += piece.length
          lengths.push(length)
        }
      })()
      for (const chunk of [1_000, 16 * KIB, limit, limit + 1, 300_000]) {
        async function* give() {
          await Promise.resolve()
          for (let i = 0; i < 5; i++) yield Buffer.alloc(chunk)
        }
        await client.sendFrom(give())
        expect(lengths.pop()).to.equal(5 * chunk)
      }
      expect(server.isOpen).to.equal(true)
    })
  }

  it('sends nothing longer than one of them when they are too short for parts', async () => {
    const features = FEATURE_ACK | FEATURE_END | FEATURE_PART | FEATURE_STREAM
    const hello = { features, maxTokenLength: 1000, maxStreamLength: 1_000_000 }
    const peer = await greeted('client', {}, {}, hello)
    const { connection } = peer
    async function* give(length: number) {
      await Promise.resolve()
      yield Buffer.alloc(length)
    }
    expect(connection.maxStreamLength).to.equal(1000)
    const error: TokenError = await connection.sendFrom(give(1001)).catch(e => e)
    expect([error.code, (error.cause as TokenError).code]).to.deep.equal([
      'ERR_NOT_SENT',
      'ERR_TOKEN_TOO_LARGE'
    ])
    void connection.sendFrom(give(1000)).catch(() => {})
    await settled()
    expect([peer.frames(), connection.isOpen]).to.deep.equal([['token of 1000'], true])
  })
})

describe('an error that the peer was told', () => {
  afterEach(destroyTransports)

  it('bears the close code that it was told with, as the frame does', async () => {
    const wrongs: Record<string, (peer: BarePeer) => Promise<void>> = {
      'too-large': peer => peer.say(Buffer.from([0, 0, 1, 0])),
      'flow-control': peer => peer.say('a'.repeat(90), 'b'),
      'protocol-error': peer => peer.say(helloFrom('client'))
    }
    for (const [code, say] of Object.entries(wrongs)) {
      const peer = await greeted('server', { maxTokenLength: 100, receiveWindow: 50 })
      await say(peer)
      peer.socket.end()
      const { error } = await peer.connection.closed
      expect(error?.closeCode).to.equal(code)
      expect(peer.frames().at(-1)).to.deep.equal(close(CLOSE_CODES[code as WireCloseCode].number))
    }
  })
})
