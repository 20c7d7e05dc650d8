import { Readable } from 'node:stream'
import { expect } from 'chai'
import { CLOSE_CODES, type WireCloseCode } from '../lib/close-codes'
import type { Connection } from '../lib/connection'
import { dropOldest } from '../lib/connection-context'
import type { TokenError } from '../lib/errors'
import { FEATURE_ACK, FEATURE_END, FEATURE_PART, FEATURE_SESSION, type Hello } from '../lib/hello'
import { FakeClock } from '../lib/testing'
import { settled, uncaughtDuring } from './helpers/moments'
import { BarePeer, close, destroyTransports, greeted, helloFrom } from './helpers/token-2'

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
  let restore: () => void

  beforeEach(() => {
    clock = new FakeClock()
    restore = clock.install()
  })

  afterEach(async () => {
    await destroyTransports()
    restore()
  })

  describe('that a listener of `drain` delivers is its own, when room was made', () => {
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
        return () => connection[dropOldest](1)
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
      it(way, async () => {
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

  it('is told also when each listener of `drain` throws', async () => {
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

  describe('above the count of a CLOSE: it is final if and only if nothing goes on after its code', () => {
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
        it(`${hasSession ? 'with' : 'without'} a session, ${state}`, async () => {
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
