import { expect } from 'chai'
import type { TokenError } from '../../lib/errors/token-error'
import type { FakeClock } from '../../lib/testing'
import { FEATURE_ACK, FEATURE_END, FEATURE_PART } from '../../lib/wire/hello'
import { usesFakeClock } from '../helpers/fake-clock'
import { settled, uncaughtDuring } from '../helpers/moments'
import { SessionPair } from '../helpers/session-pair'
import { close, destroyTransports, greeted, openPair, token2Pair } from '../helpers/token-2'

const KIB = 1024

/** What the types of this project's edition of ECMAScript don't know. */
const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: MemoryClass } }).WebAssembly
const Resizable = ArrayBuffer as unknown as ResizableClass

interface MemoryClass {
  new (size: {
    initial: number
    maximum: number
  }): { readonly buffer: ArrayBuffer; grow(pages: number): void }
}

interface ResizableClass {
  new (length: number, options: { maxByteLength: number }): ArrayBuffer & { resize(length: number): void }
}

/** Makes a token of at least that length, and what changes its memory. */
type Way = (length: number) => { token: Uint8Array; change: () => void }

const WAYS: Record<string, Way> = {
  'is transferred': length => {
    const token = new Uint8Array(new ArrayBuffer(length)).fill(7)
    return { token, change: () => void structuredClone(token.buffer, { transfer: [token.buffer] }) }
  },
  'is WebAssembly memory that grows': length => {
    const memory = new Memory({ initial: Math.ceil(length / (64 * KIB)), maximum: 100 })
    return { token: new Uint8Array(memory.buffer, 0, length), change: () => memory.grow(1) }
  },
  shrinks: length => {
    const memory = new Resizable(length, { maxByteLength: length })
    return { token: new Uint8Array(memory), change: () => memory.resize(length - 1) }
  }
}

describe('memory that goes away after its token was taken', () => {
  let clock: FakeClock

  afterEach(destroyTransports)

  usesFakeClock(made => {
    clock = made
  })

  const codeOf = (promise: Promise<void>) =>
    promise.then(
      () => 'handed',
      (error: TokenError) => error.code
    )

  for (const [what, way] of Object.entries(WAYS)) {
    for (const length of [1, 100, 70 * KIB, 600 * KIB]) {
      it(`a token of ${length} bytes whose memory ${what} breaks its connection alone, and never throws from a timer`, async () => {
        const caught = await uncaughtDuring(async () => {
          const { client, server } = await openPair({ server: { receiveWindow: 5 } })
          const got: string[] = []
          const { token, change } = way(length)
          const before = codeOf(client.deliver(Buffer.from('before')))
          const fate = codeOf(client.deliver(token))
          const behind = codeOf(client.deliver(Buffer.from('behind')))
          change()
          server.on('token', bytes => got.push(String(bytes)))
          await settled()
          await clock.elapse(60_000)
          const [info, there] = await Promise.all([client.closed, server.closed])
          expect([info.code, info.error?.closeCode]).to.deep.equal(['ERR_DETACHED', 'internal-error'])
          expect([there.code, there.error?.closeCode]).to.deep.equal(['ERR_PEER_CLOSED', 'internal-error'])
          expect(await Promise.all([before, fate, behind])).to.deep.equal([
            'handed',
            'ERR_NOT_SENT',
            'ERR_NOT_SENT'
          ])
          expect([got, client.bufferedAmount, info.unsent]).to.deep.equal([['before'], 0, 2])
        })
        expect(caught).to.deep.equal([])
      })
    }

    it(`a token whose memory ${what} breaks its connection also before that is open`, async () => {
      const { client, server } = token2Pair()
      const { token, change } = way(100)
      server.on('token', () => expect.fail('it came'))
      client.send(token)
      change()
      expect((await client.closed).code).to.equal('ERR_DETACHED')
    })

    it(`a token whose memory ${what} breaks its connection also when some of its parts are out`, async () => {
      const { client, server, link } = await openPair({ transport: { highWaterMark: 4 * KIB } })
      const { token, change } = way(900 * KIB)
      server.on('token', () => expect.fail('it came'))
      link.aToB.stall()
      const fate = codeOf(client.deliver(token))
      await settled()
      change()
      link.aToB.resume()
      await settled()
      await clock.elapse(60_000)
      expect((await client.closed).code).to.equal('ERR_DETACHED')
      expect(await fate).to.equal('ERR_NOT_SENT')
      await server.closed
    })

    it(`a token whose memory ${what} ends its session on both sides when it has to be sent again`, async () => {
      const pair = await SessionPair.open()
      pair.link.aToB.stall()
      const { token, change } = way(100)
      const fate = codeOf(pair.client.deliver(token))
      await settled()
      await pair.cut()
      change()
      await pair.resume()
      await clock.elapse(60_000)
      expect((await pair.client.closed).code).to.equal('ERR_DETACHED')
      expect(await fate).to.equal('ERR_FATE_UNKNOWN')
      expect((await pair.server.closed).error?.closeCode).to.equal('internal-error')
      await pair.destroy()
    })

    for (const length of [1, 100, 600 * KIB]) {
      it(`an answer of ${length} bytes whose memory ${what} ends its session when it has to be sent, and no other answer takes its place`, async () => {
        const pair = await SessionPair.open()
        const { token, change } = way(length)
        let answer: (bytes: Uint8Array) => void = () => {}
        pair.server.handle(text =>
          String(text) === 'first' ? text : new Promise<Uint8Array>(resolve => (answer = resolve))
        )
        const first = pair.client.request(Buffer.from('first'))
        const fate = codeOf(pair.client.request(Buffer.from('ask')) as Promise<never>)
        await settled()
        await pair.cut()
        answer(token)
        await settled()
        change()
        await pair.resume()
        await clock.elapse(60_000)
        expect((await pair.server.closed).code).to.equal('ERR_DETACHED')
        expect([String(await first), await fate]).to.deep.equal(['first', 'ERR_FATE_UNKNOWN'])
        expect((await pair.client.closed).error?.closeCode).to.equal('internal-error')
        await pair.destroy()
      })
    }

    for (const length of [10 * KIB, 20 * KIB]) {
      it(`a chunk of ${length} bytes of a stream whose memory ${what} keeps its token alone from being sent`, async () => {
        const features = FEATURE_ACK | FEATURE_END | FEATURE_PART
        const peer = await greeted('client', {}, {}, { features, receiveWindow: 1 })
        const { token, change } = way(length)
        let goOn: () => void = () => {}
        const gate = () => new Promise<void>(resolve => (goOn = resolve))
        async function* give() {
          yield Buffer.alloc(16 * KIB)
          await gate()
          yield token
          await gate()
          yield Buffer.alloc(16 * KIB)
        }
        const fate = codeOf(peer.connection.sendFrom(give()))
        peer.connection.send(Buffer.from('behind'))
        // The first part uses the credit up, and the second chunk is read ahead.
        await settled()
        goOn()
        await settled()
        change()
        goOn()
        await settled()
        await peer.say({ type: 'window', granted: 100 * KIB })
        expect([await fate, peer.connection.isOpen]).to.deep.equal(['ERR_NOT_SENT', true])
        expect(peer.frames().at(-1)).to.equal('behind')
      })
    }
  }

  it('a token that had no byte is empty, as before', async () => {
    const peer = await greeted('client', {}, {}, { receiveWindow: 1 })
    const buffer = new ArrayBuffer(0)
    peer.connection.send(Buffer.from('a'))
    peer.connection.send(new Uint8Array(buffer))
    structuredClone(buffer, { transfer: [buffer] })
    await peer.say({ type: 'window', granted: 100 })
    peer.connection.close()
    await settled()
    expect(peer.frames()).to.deep.equal(['a', '', close()])
  })
})
