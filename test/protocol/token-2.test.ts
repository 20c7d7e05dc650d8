import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection } from '../../lib/connection/connection'
import type { AuthorizeAnswer } from '../../lib/protocol/authorization'
import type { Goaway } from '../../lib/protocol/goaway'
import type { FakeClock } from '../../lib/testing'
import { encodeControl } from '../../lib/wire/control-frame'
import { bytes, frame, frames, pattern } from '../helpers/bytes'
import { usesFakeClock } from '../helpers/fake-clock'
import { settled, tokensOf } from '../helpers/moments'
import {
  BarePeer,
  close,
  destroyTransports,
  greeted,
  helloFrom,
  OPAQUE,
  openPair,
  token2Pair
} from '../helpers/token-2'

const KIB = 1024
const PING = { type: 'ping', opaque: OPAQUE } as const
const PONG = { type: 'pong', opaque: new Uint8Array(OPAQUE) }

function listen(connection: Connection): string[] {
  const tokens: string[] = []
  connection.on('token', token =>
    tokens.push(token.length > 100 ? `token of ${token.length}` : String(token))
  )
  return tokens
}

/** An `authorize` that answers when the test says so. */
/** What the connection has said since HELLO; the reason of a CLOSE is for people. */
function framesWithoutReason(peer: BarePeer) {
  return peer.frames().map(one => (typeof one === 'string' ? one : { ...one, reason: '' }))
}

function asked() {
  let answer!: (answer: AuthorizeAnswer) => void
  let fail!: (error: Error) => void
  const signals: AbortSignal[] = []
  const answered = new Promise<AuthorizeAnswer>((resolve, reject) => {
    answer = resolve
    fail = reject
  })
  const authorize = (_connection: Connection, signal: AbortSignal) => {
    signals.push(signal)
    return answered
  }
  return { context: { authorize }, answer, fail, signals }
}

describe('token/2', () => {
  let clock: FakeClock

  afterEach(destroyTransports)

  usesFakeClock(made => {
    clock = made
  })

  describe('the handshake', () => {
    it('the HELLO of a client waits for nothing, and the client is open when the server has answered', async () => {
      const peer = new BarePeer('client')
      peer.connection.send(Buffer.from('early'))
      await settled()
      expect([peer.seen, peer.log, peer.connection.isOpen]).to.deep.equal([
        [{ type: 'hello', role: 'client' }],
        [],
        false
      ])
      await peer.say(helloFrom('server'))
      expect([peer.frames(), peer.log, peer.connection.isOpen]).to.deep.equal([['early'], ['open'], true])
    })

    it('the HELLO of a server comes after that of the client', async () => {
      const peer = new BarePeer('server')
      await settled()
      expect(peer.seen).to.deep.equal([])
      await peer.say(helloFrom('client'))
      expect([peer.seen, peer.log]).to.deep.equal([[{ type: 'hello', role: 'server' }], ['open']])
    })

    it('tells each side the longest token of the other', async () => {
      const { client, server } = await openPair({
        client: { maxTokenLength: 100 },
        server: { maxTokenLength: 50 }
      })
      expect([client.maxTokenLength, server.maxTokenLength]).to.deep.equal([50, 50])
      expect(() => client.send(pattern(51)))
        .to.throw()
        .with.property('code', 'ERR_TOKEN_TOO_LARGE')
    })

    const wrong: [string, 'client' | 'server', Parameters<BarePeer['say']>, string][] = [
      ['data before HELLO', 'server', ['a'], 'protocol-error'],
      ['data before the HELLO of a server', 'client', ['a'], 'protocol-error'],
      ['PING before HELLO', 'server', [PING], 'protocol-error'],
      ['an unknown type before HELLO', 'server', [bytes('80 00 00 01 05')], 'protocol-error'],
      ['CLOSE of a client before HELLO', 'server', [close()], 'protocol-error'],
      ['a second HELLO', 'server', [helloFrom('client'), helloFrom('client')], 'protocol-error'],
      ['the role of this side', 'server', [helloFrom('server')], 'protocol-error'],
      ['a client that greets a client', 'client', [helloFrom('client')], 'protocol-error']
    ]
    for (const [title, role, said, code] of wrong) {
      it(`a handshake with ${title} fails with ${code}, and the peer is told`, async () => {
        const peer = new BarePeer(role)
        const tokens = listen(peer.connection)
        await peer.say(...said)
        expect(peer.frames().at(-1)).to.include({ type: 'close', code: 0x0401, handed: 0 })
        expect(peer.hasEnded).to.equal(true)
        peer.socket.end()
        await settled()
        expect([peer.log.at(-1), tokens]).to.deep.equal([`ERR_PROTOCOL ${code}`, []])
      })
    }

    it('a handshake with the HELLO of token/3 fails with unsupported', async () => {
      const peer = new BarePeer('server')
      const hello = encodeControl(helloFrom('client'))
      hello[5] = 3
      await peer.say(hello)
      expect(peer.frames()).to.deep.equal([close(0x0404)])
    })

    it('a handshake with a HELLO that names another certificate than the one presented is a mismatch', async () => {
      const peer = new BarePeer('server', {}, { ownFingerprints: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] })
      await peer.say(helloFrom('client', { fingerprint: Buffer.alloc(32, 3) }))
      expect(peer.frames()).to.deep.equal([close(0x0407)])
      const other = new BarePeer(
        'server',
        {},
        { ownFingerprints: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] }
      )
      await other.say(helloFrom('client', { fingerprint: Buffer.alloc(32, 2) }))
      expect(other.log).to.deep.equal(['open'])
    })

    it('a handshake that a server answers with CLOSE is a refusal, with the code and the reason', async () => {
      const peer = new BarePeer('client')
      await peer.say(close(0x0106, 0, 'full\u001b[31m'))
      const info = await peer.connection.closed
      expect([info.code, info.error?.closeCode]).to.deep.equal(['ERR_REFUSED', 'overloaded'])
      expect(info.error?.message).to.equal(
        'Cannot connect: the server refused this client with overloaded, "full\\u001b[31m"'
      )
    })

    it('a handshake that does not come in time fails with handshake-timeout, on both sides', async () => {
      for (const role of ['client', 'server'] as const) {
        const peer = new BarePeer(role, {}, { greetingTimeout: 700 })
        await clock.elapse(699)
        expect(peer.frames()).to.deep.equal([])
        await clock.elapse(1)
        await settled()
        expect(peer.frames()).to.deep.equal([close(0x0101)])
        await clock.elapse(1000)
        await settled()
        expect(peer.log).to.deep.equal(['ERR_HANDSHAKE_TIMEOUT handshake-timeout'])
      }
    })

    it('a handshake fails as lost when its transport ends', async () => {
      const peer = new BarePeer('client')
      peer.socket.end()
      await settled()
      expect(peer.log).to.deep.equal(['ERR_LOST'])
    })
  })

  describe('authorize', () => {
    it('is awaited before the server says HELLO or hands anything out', async () => {
      const { context, answer } = asked()
      const peer = await greeted('server', {}, context)
      expect([peer.seen, peer.log]).to.deep.equal([[], []])
      answer(true)
      await settled()
      expect([peer.seen, peer.log]).to.deep.equal([[{ type: 'hello', role: 'server' }], ['open']])
    })

    it('authorize that says no refuses, and the client is told', async () => {
      const { client, server } = token2Pair({ context: { authorize: () => false } })
      const info = await client.closed
      expect([info.code, info.error?.closeCode]).to.deep.equal(['ERR_REFUSED', 'refused'])
      expect(info.error?.message).to.contain('refused this client with refused, "not authorized"')
      expect((await server.closed).code).to.equal('ERR_REFUSED')
    })

    it('authorize that says no with a reason tells the client', async () => {
      const { client } = token2Pair({ context: { authorize: () => ({ reason: 'not on the list' }) } })
      expect((await client.closed).error?.message).to.contain('"not on the list"')
    })

    it('authorize that throws refuses, and the client is not told what went wrong', async () => {
      const { client, server } = token2Pair({
        context: {
          authorize: () => {
            throw new Error('secret of the database')
          }
        }
      })
      const info = await client.closed
      expect(info.error?.message).to.contain('"authorize failed"')
      expect((await server.closed).error?.cause).to.have.property('message', 'secret of the database')
    })

    it('authorize that is late fails with handshake-timeout, and its signal aborts', async () => {
      const { context, signals } = asked()
      const peer = await greeted('server', {}, { ...context, greetingTimeout: 500 })
      expect(signals[0]?.aborted).to.equal(false)
      await clock.elapse(500)
      await settled()
      expect(signals[0]?.aborted).to.equal(true)
      expect(peer.frames()).to.deep.equal([close(0x0101)])
    })

    it('learns by its signal that the client has gone', async () => {
      const { context, signals, answer } = asked()
      const peer = await greeted('server', {}, context)
      peer.socket.destroy()
      await settled()
      expect(signals[0]?.aborted).to.equal(true)
      answer(true)
      await settled()
      expect(peer.log).to.deep.equal(['ERR_LOST'])
    })

    const PROTOCOL_ERROR = [[close(0x0401)], 'ERR_PROTOCOL protocol-error'] as const
    for (const [when, context] of [
      ['is not there', undefined],
      ['answers at once', { authorize: () => true }],
      ['answers with a promise', { authorize: async () => true }]
    ] as const) {
      it(`authorize that ${when} accepts CLOSE, and nothing else, right behind HELLO`, async () => {
        for (const [said, end] of [
          [[close()], [[close()], 'normal']],
          [['a'], PROTOCOL_ERROR],
          [['', close()], PROTOCOL_ERROR],
          [[PING], PROTOCOL_ERROR],
          [[bytes('80 00 00 09 82 00 00 00 00 00 00 00 00')], PROTOCOL_ERROR],
          [[bytes('80 00 00 01 05')], PROTOCOL_ERROR],
          [[bytes('80 00 00 01 85')], PROTOCOL_ERROR]
        ] as const) {
          const peer = new BarePeer('server', {}, context)
          const tokens = listen(peer.connection)
          await peer.say(helloFrom('client'), ...said)
          peer.socket.end()
          await settled()
          expect([[framesWithoutReason(peer), peer.log.at(-1)], tokens]).to.deep.equal([end, []])
        }
      })

      it(`authorize that ${when} accepts nothing but CLOSE in a frame of which one byte stands behind HELLO`, async () => {
        for (const [frame_, end] of [
          [encodeControl(close()), close()],
          [frame('abc'), close(0x0401)]
        ] as const) {
          const peer = new BarePeer('server', {}, context)
          await peer.say(helloFrom('client'), Buffer.from(frame_.subarray(0, 1)))
          await peer.say(Buffer.from(frame_.subarray(1)))
          expect(framesWithoutReason(peer)).to.deep.equal([end])
        }
      })
    }

    it('authorize that says yes finds CLOSE, and nothing else, in what came meanwhile', async () => {
      for (const [said, end] of [
        [[close()], [[close()], 'normal']],
        [['a'], PROTOCOL_ERROR],
        [[PING], PROTOCOL_ERROR],
        [[bytes('80 00 00 01 05')], PROTOCOL_ERROR]
      ] as const) {
        const { context, answer } = asked()
        const peer = await greeted('server', {}, context)
        const tokens = listen(peer.connection)
        await peer.say(...said)
        expect(peer.seen).to.deep.equal([])
        answer(true)
        await settled()
        peer.socket.end()
        await settled()
        expect([[framesWithoutReason(peer), peer.log.at(-1)], tokens]).to.deep.equal([end, []])
      }
    })

    it('authorize that says yes finds only CLOSE in a frame of which one byte came before', async () => {
      const { context, answer } = asked()
      const peer = await greeted('server', {}, context)
      const token = frame('abc')
      await peer.say(token.subarray(0, 1))
      answer(true)
      await settled()
      await peer.say(token.subarray(1))
      expect(peer.frames()).to.deep.equal([close(0x0401)])
    })

    it('may be answered while up to 64 KiB wait; with more the server closes at once and the client reads why', async () => {
      const { context } = asked()
      const peer = await greeted('server', {}, context)
      await peer.say(Buffer.alloc(64 * KIB))
      expect(peer.frames()).to.deep.equal([])
      await peer.say(Buffer.alloc(1))
      await peer.say(Buffer.alloc(1))
      await peer.say(Buffer.alloc(10_000))
      expect([peer.frames(), peer.hasEnded, peer.socket.errored]).to.deep.equal([[close(0x0401)], true, null])
    })
  })

  describe('tokens', () => {
    it('go both ways', async () => {
      const { client, server } = await openPair()
      client.send(Buffer.from('ping'))
      server.send(Buffer.from('pong'))
      client.send(Buffer.alloc(0))
      const [there, back] = await Promise.all([tokensOf(server, 2), tokensOf(client, 1)])
      expect([there.map(String), back.map(String)]).to.deep.equal([['ping', ''], ['pong']])
    })

    it('wait for a listener that comes late, and every one reaches it', async () => {
      const { client, server } = await openPair()
      for (const text of ['a', 'b', 'c']) client.send(Buffer.from(text))
      await settled()
      expect(server.unreadBytes).to.equal(15)
      const tokens = listen(server)
      await settled()
      expect(tokens).to.deep.equal(['a', 'b', 'c'])
    })

    it('sent before `open` and longer than the peer takes are `undeliverable`, and the others arrive', async () => {
      const { client, server } = token2Pair({ server: { maxTokenLength: 3 } })
      const undeliverable: string[] = []
      client.on('undeliverable', token => undeliverable.push(String(token)))
      const tokens = listen(server)
      for (const text of ['a', 'long', 'b', 'longer', 'c']) client.send(Buffer.from(text))
      await settled()
      expect([undeliverable, tokens, client.tokensSent]).to.deep.equal([
        ['long', 'longer'],
        ['a', 'b', 'c'],
        3
      ])
    })

    it('tokens above maxTokenLength fail with too-large, those before are handed out', async () => {
      const peer = await greeted('server', { maxTokenLength: 3 })
      const tokens = listen(peer.connection)
      await peer.say('abc', 'abcd')
      expect([tokens, peer.frames()]).to.deep.equal([['abc'], [close(0x0402, 1)]])
    })

    it('tokens that are cut by the end of the transport are lost', async () => {
      const peer = await greeted('server')
      const tokens = listen(peer.connection)
      await peer.say('a', frame('bcd').subarray(0, 5))
      peer.socket.end()
      await settled()
      expect([tokens, peer.log.at(-1)]).to.deep.equal([['a'], 'ERR_LOST'])
    })

    it('tokens fail with protocol-error when control frames of no length come behind them', async () => {
      for (const head of ['80 00 00 00', '80 00 04 01', 'ff ff ff ff']) {
        const peer = await greeted('server')
        const tokens = listen(peer.connection)
        await peer.say('a', bytes(head))
        expect([tokens, peer.frames()]).to.deep.equal([['a'], [close(0x0401, 1)]])
      }
    })

    it('tokens that make no progress fail with frame-timeout', async () => {
      const peer = await greeted('server', { frameTimeout: 1000 })
      await peer.say(bytes('00 00 00 05 61'))
      await clock.elapse(1000)
      await settled()
      expect(peer.frames()).to.deep.equal([close(0x0103)])
    })
  })

  describe('flow control', () => {
    it('lets a token start while credit is above zero, and the next one wait for WINDOW', async () => {
      const peer = await greeted('client', {}, {}, { receiveWindow: 8 })
      for (const text of ['abc', 'defg', 'h']) peer.connection.send(Buffer.from(text))
      await settled()
      expect([peer.frames(), peer.connection.bufferedAmount]).to.deep.equal([['abc', 'defg'], 5])
      await peer.say({ type: 'window', granted: 7 })
      expect(peer.frames()).to.deep.equal(['abc', 'defg'])
      await peer.say({ type: 'window', granted: 8 })
      expect(peer.frames()).to.deep.equal(['abc', 'defg', 'h'])
    })

    it('flow control with a window of 0 sends nothing before WINDOW', async () => {
      const peer = await greeted('client', {}, {}, { receiveWindow: 0 })
      peer.connection.send(Buffer.from('a'))
      await settled()
      expect(peer.frames()).to.deep.equal([])
      await peer.say({ type: 'window', granted: 1 })
      expect(peer.frames()).to.deep.equal(['a'])
    })

    it('fails with flow-control when a token starts without credit', async () => {
      const peer = await greeted('server', { receiveWindow: 8 })
      await peer.say('abcd', '')
      expect(peer.frames()).to.deep.equal([close(0x0403)])
    })

    it('fails with flow-control when WINDOW goes back, and takes the same again', async () => {
      const peer = await greeted('server')
      await peer.say({ type: 'window', granted: 10 }, { type: 'window', granted: 10 }, PING)
      expect(peer.frames()).to.deep.equal([PONG])
      await peer.say({ type: 'window', granted: 9 })
      expect(peer.frames().at(-1)).to.deep.equal(close(0x0403))
    })

    it('gives credit when half of the window was taken, once for all', async () => {
      const peer = await greeted('server', { receiveWindow: 100 })
      listen(peer.connection)
      await peer.say(...Array(9).fill('x'))
      expect(peer.frames(true)).to.deep.equal([{ type: 'ack', handed: 9 }])
      await peer.say('x', 'x')
      expect(peer.frames(true).slice(1)).to.deep.equal([
        { type: 'window', granted: 55 },
        { type: 'ack', handed: 11 }
      ])
    })

    it('gives none while nobody takes tokens, so that a peer stays within the window', async () => {
      const { client, server, link } = await openPair({ server: { receiveWindow: 1000 } })
      for (let i = 0; i < 100; i++) client.send(pattern(96))
      await settled()
      expect([server.unreadBytes, client.tokensUnsent, link.aToB.bytesHeld]).to.deep.equal([1000, 90, 0])
      expect(await tokensOf(server, 100)).to.have.length(100)
      expect(client.tokensUnsent).to.equal(0)
    })
  })

  describe('control frames', () => {
    it('control frames that are unknown and below 80 are ignored, and above are an error', async () => {
      const peer = await greeted('server')
      const tokens = listen(peer.connection)
      await peer.say('a', bytes('80 00 00 03 05 01 02'), 'b', bytes('80 00 00 01 8a'))
      expect([tokens, peer.frames()]).to.deep.equal([['a', 'b'], [close(0x0401, 2)]])
    })

    it('PART and ABORT are an error: this side does not offer them', async () => {
      for (const type of ['part', 'abort'] as const) {
        const peer = await greeted('server')
        await peer.say({ type })
        expect(peer.frames()).to.deep.equal([close(0x0401)])
      }
    })

    it('PING is answered while tokens wait for credit', async () => {
      const peer = await greeted('server', {}, {}, { receiveWindow: 1 })
      for (const text of ['a', 'b']) peer.connection.send(Buffer.from(text))
      await settled()
      await peer.say(PING)
      expect(peer.frames()).to.deep.equal(['a', PONG])
    })

    it('PING is answered while nobody takes the tokens before it', async () => {
      const peer = await greeted('server')
      await peer.say('a', 'b', PING)
      expect(peer.frames()).to.deep.equal([PONG])
    })

    it('PINGs in one chunk get one PONG, for the last', async () => {
      const peer = await greeted('server')
      await peer.say({ type: 'ping', opaque: Buffer.alloc(8, 1) }, PING)
      expect(peer.frames()).to.deep.equal([PONG])
    })

    it('never stand inside a large token', async () => {
      const peer = await greeted('server')
      const token = pattern(900 * KIB)
      peer.connection.send(token)
      peer.connection.send(Buffer.from('next'))
      await peer.say(PING)
      await clock.settle()
      expect(peer.frames()).to.have.length(3)
      expect(peer.frames()).to.include.members([`token of ${900 * KIB}`, 'next'])
    })

    it('ACK above what was sent, and one that goes back, are an error', async () => {
      for (const acks of [[3], [2, 1]]) {
        const peer = await greeted('server')
        peer.connection.send(Buffer.from('a'))
        peer.connection.send(Buffer.from('b'))
        await settled()
        await peer.say(...acks.map(handed => ({ type: 'ack', handed }) as const))
        expect(peer.frames().at(-1)).to.deep.equal(close(0x0401))
      }
    })

    it('ACK is sent only to a peer that asked for it, its count in CLOSE to all', async () => {
      const peer = await greeted('server', {}, {}, { features: 0 })
      listen(peer.connection)
      await peer.say('a', 'b')
      expect(peer.frames(true)).to.deep.equal([])
      await peer.say(close())
      expect(peer.frames(true)).to.deep.equal([close(0, 2)])
    })

    it('one ACK says all of a chunk', async () => {
      const peer = await greeted('server')
      listen(peer.connection)
      await peer.say(...Array(50).fill('x'))
      expect(peer.frames(true)).to.deep.equal([{ type: 'ack', handed: 50 }])
    })

    for (const [count, told] of [
      [4095, [4098]],
      [4096, [4096, 4099]]
    ] as const) {
      it(`ACK ${told.length === 1 ? 'waits' : 'does not wait'} for the end of the turn after ${count} tokens`, async () => {
        const peer = await greeted('server')
        listen(peer.connection)
        for (const tokens of [count, 3]) peer.socket.write(frames(...Array(tokens).fill('')))
        await settled()
        expect(peer.frames(true)).to.deep.equal(told.map(handed => ({ type: 'ack', handed })))
      })
    }
  })

  it('idleTimeout counts bytes of tokens, both ways, and no PING, ACK or WINDOW', async () => {
    const { client, server } = await openPair({ client: { idleTimeout: 1000 }, both: { heartbeat: 200 } })
    const tokens = listen(server)
    const answers = listen(client)

    for (const side of [client, server, client]) {
      await clock.elapse(900)
      side.send(Buffer.from('a'))
      await settled()
    }
    expect([tokens.length, answers.length, client.isOpen]).to.deep.equal([2, 1, true])
    await clock.elapse(999)
    expect([client.isOpen, server.rtt]).to.deep.equal([true, 0])
    await clock.elapse(1)
    const info = await client.closed
    expect(info).to.include({ code: 'ERR_IDLE_TIMEOUT' })
    expect((await server.closed).error).to.include({ code: 'ERR_PEER_CLOSED', closeCode: 'idle-timeout' })
  })

  describe('heartbeat', () => {
    it('gives up on a peer of which not a byte came for two of them', async () => {
      const peer = await greeted('server', { heartbeat: 1000 })
      await clock.elapse(1999)
      expect(peer.log).to.deep.equal(['open'])
      await clock.elapse(1)
      await settled()
      expect(peer.log).to.deep.equal(['open', 'ERR_HEARTBEAT_TIMEOUT'])
    })

    it('takes any byte for life, also half a frame', async () => {
      const peer = await greeted('server', { heartbeat: 1000 })
      for (let i = 0; i < 4; i++) {
        await clock.elapse(1900)
        await peer.say(Buffer.from([0]))
      }
      expect(peer.log).to.deep.equal(['open'])
    })

    it('knows the round trip of its last PING', async () => {
      const peer = await greeted('server', {}, {}, { heartbeat: 1000 })
      await clock.elapse(500)
      await settled()
      const [ping] = peer.frames() as unknown as [{ opaque: Uint8Array }]
      await clock.elapse(30)
      await peer.say({ type: 'pong', opaque: OPAQUE })
      expect(peer.connection.rtt).to.equal(null)
      await peer.say({ type: 'pong', opaque: ping.opaque })
      expect(peer.connection.rtt).to.equal(30)
    })

    it('keeps two idle connections open', async () => {
      const { client, server } = await openPair({ both: { heartbeat: 1000 } })
      await clock.elapse(60_000)
      expect([client.isOpen, server.isOpen]).to.deep.equal([true, true])
    })

    it('finds a half-open link on both sides', async () => {
      const { client, server, link } = await openPair({
        client: { heartbeat: 1000 },
        server: { heartbeat: 400 }
      })
      link.halfOpen()
      client.send(Buffer.from('into the void'))
      await clock.elapse(800)
      await settled()
      expect([client.isOpen, server.isOpen]).to.deep.equal([true, false])
      await clock.elapse(1200)
      const infos = await Promise.all([client.closed, server.closed])
      expect(infos.map(info => info.code)).to.deep.equal(['ERR_HEARTBEAT_TIMEOUT', 'ERR_HEARTBEAT_TIMEOUT'])
      expect([infos[0].unsent, infos[0].unconfirmed]).to.deep.equal([0, 1])
    })

    it('pings a peer that wants to hear of it, and not one that does not', async () => {
      const peer = await greeted('server', {}, {}, { heartbeat: 1000 })
      await clock.elapse(500)
      await settled()
      expect(peer.frames()).to.have.length(1)
      const silent = await greeted('server')
      await clock.elapse(60_000)
      expect(silent.frames()).to.deep.equal([])
    })

    it('stops with CLOSE', async () => {
      const peer = await greeted('server', { heartbeat: 1000, closeTimeout: 60_000 }, {}, { heartbeat: 1000 })
      peer.connection.close()
      await settled()
      await clock.elapse(30_000)
      expect([peer.frames(), peer.log]).to.deep.equal([[close()], ['open']])
    })
  })

  describe('END', () => {
    it('ends one direction, the other goes on', async () => {
      const { client, server } = await openPair()
      const echo = server.stream()
      const stream = client.stream()
      const read: string[] = []
      stream.on('data', token => read.push(String(token)))
      echo.resume()
      echo.write(Buffer.from('one'))
      stream.end(Buffer.from('last'))
      await once(echo, 'end')
      expect([client.isDead, server.isDead]).to.deep.equal([true, false])
      echo.write(Buffer.from('two'))
      await settled()
      expect(read).to.deep.equal(['one', 'two'])
      echo.end()
      const infos = await Promise.all([client.closed, server.closed])
      expect(infos.map(({ code, unconfirmed }) => [code, unconfirmed])).to.deep.equal([
        ['normal', 0],
        ['normal', 0]
      ])
    })

    it('is said after the last token, also when that waits for credit', async () => {
      const peer = await greeted('server', {}, {}, { receiveWindow: 1 })
      const stream = peer.connection.stream().on('error', () => {})
      stream.resume()
      stream.write(Buffer.from('a'))
      stream.end(Buffer.from('b'))
      await settled()
      expect(peer.frames()).to.deep.equal(['a'])
      await peer.say({ type: 'window', granted: 10 })
      expect(peer.frames()).to.deep.equal(['a', 'b', { type: 'end' }])
    })

    it('is not said to a peer that does not know it: CLOSE is', async () => {
      const peer = await greeted('server', {}, {}, { features: 2 })
      const stream = peer.connection.stream().on('error', () => {})
      stream.resume().end(Buffer.from('a'))
      await settled()
      expect(peer.frames()).to.deep.equal(['a', close()])
    })

    it('END that comes is answered with CLOSE when this side has nothing to say but by listeners', async () => {
      const peer = await greeted('server')
      const tokens = listen(peer.connection)
      await peer.say('a', { type: 'end' })
      expect([tokens, peer.frames()]).to.deep.equal([['a'], [close(0, 1)]])
      await peer.say(close())
      expect([peer.hasEnded, peer.log]).to.deep.equal([true, ['open']])
      peer.socket.end()
      await settled()
      expect(peer.log).to.deep.equal(['open', 'normal'])
    })

    it('followed by a token fails with protocol-error, in the same chunk and later', async () => {
      for (const wait of [false, true]) {
        const peer = await greeted('server')
        const stream = peer.connection.stream()
        stream.on('error', () => {})
        stream.resume()
        stream.write(Buffer.from('holds it open'))
        if (wait) await peer.say({ type: 'end' })
        await peer.say(...(wait ? ['x'] : [{ type: 'end' } as const, 'x']))
        expect(peer.frames().at(-1)).to.deep.equal(close(0x0401))
      }
    })

    it('followed by CLOSE while this side still writes is answered with CLOSE', async () => {
      const peer = await greeted('server')
      const stream = peer.connection.stream().on('error', () => {})
      stream.resume()
      stream.write(Buffer.from('a'))
      await peer.say({ type: 'end' })
      expect(peer.frames()).to.deep.equal(['a'])
      await peer.say(close(0, 1))
      expect([peer.frames(), peer.hasEnded]).to.deep.equal([['a', close()], true])
    })
  })

  describe('an orderly end', () => {
    it('is none the worse when the transport is reset after both have said CLOSE', async () => {
      const peer = await greeted('server')
      peer.connection.close()
      await peer.say(close())
      peer.connection.socket.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
      expect(await peer.connection.closed).to.include({ code: 'normal', error: null })
    })

    it('sends what waits, then CLOSE, and is over when the peer has answered', async () => {
      const peer = await greeted('client')
      for (const text of ['a', 'b']) peer.connection.send(Buffer.from(text))
      expect([peer.connection.close(), peer.connection.close()]).to.deep.equal([true, false])
      await settled()
      expect([peer.frames(), peer.hasEnded, peer.connection.isDead]).to.deep.equal([
        ['a', 'b', close()],
        false,
        true
      ])
      await peer.say(close(0, 2))
      expect(peer.hasEnded).to.equal(true)
      peer.socket.end()
      const info = await peer.connection.closed
      expect([info.code, info.unsent, info.unconfirmed]).to.deep.equal(['normal', 0, 0])
    })

    it('works both ways, and each side knows what the other had', async () => {
      const { client, server } = await openPair()
      const tokens = listen(server)
      listen(client)
      for (const text of ['a', 'b']) client.send(Buffer.from(text))
      server.send(Buffer.from('c'))
      await settled()
      client.close()
      const infos = await Promise.all([client.closed, server.closed])
      expect(infos.map(({ code, unconfirmed }) => [code, unconfirmed])).to.deep.equal([
        ['normal', 0],
        ['normal', 0]
      ])
      expect(tokens).to.deep.equal(['a', 'b'])
    })

    it('an orderly end of both sides at once is normal on both, and nobody answers twice', async () => {
      const { client, server, link } = await openPair()
      const before = [link.aToB.bytesTaken, link.bToA.bytesTaken]
      client.close()
      server.close()
      const infos = await Promise.all([client.closed, server.closed])
      expect(infos.map(info => info.code)).to.deep.equal(['normal', 'normal'])
      const after = [link.aToB.bytesTaken, link.bToA.bytesTaken]
      expect(after.map((bytes, i) => bytes - (before[i] as number))).to.deep.equal([15, 15])
    })

    it('crossing with tokens that wait for credit gives those up', async () => {
      const peer = await greeted('client', {}, {}, { receiveWindow: 1 })
      for (const text of ['a', 'b', 'c']) peer.connection.send(Buffer.from(text))
      peer.connection.close()
      await settled()
      expect(peer.frames()).to.deep.equal(['a'])
      await peer.say(close(0, 1))
      expect(peer.frames()).to.deep.equal(['a', close()])
      peer.socket.end()
      const info = await peer.connection.closed
      expect([info.code, info.unsent, info.unconfirmed]).to.deep.equal(['normal', 2, 0])
    })

    it('crossing with half of a token that leaves in one frame finishes it before CLOSE', async () => {
      const infos = await crossing(250 * KIB)
      expect([infos[0].unsent, infos[0].unconfirmed]).to.deep.equal([1, 1])
    })

    it('crossing with the first parts of a large token stands between two of them: it is unsent', async () => {
      const infos = await crossing(900 * KIB)
      expect([infos[0].unsent, infos[0].unconfirmed]).to.deep.equal([2, 0])
    })

    /** The server's CLOSE arrives while a token of `length` bytes is half out, and another waits behind it. */
    async function crossing(length: number) {
      const { client, server, link } = await openPair({ transport: { highWaterMark: 1024 } })
      const tokens: Buffer[] = []
      server.on('token', token => tokens.push(token))
      link.aToB.stall()
      client.send(pattern(length))
      client.send(Buffer.from('never'))
      await settled()
      server.close()
      await settled()
      link.aToB.resume()
      const infos = await Promise.all([client.closed, server.closed])
      expect(infos.map(info => info.code)).to.deep.equal(['normal', 'normal'])
      expect(tokens).to.deep.equal([])
      return infos
    }

    it('keeps the code of the peer in its answer', async () => {
      for (const [code, name] of [
        [0x0001, 'shutdown'],
        [0x0107, 'normal'],
        [0x00fe, 'normal']
      ] as const) {
        const peer = await greeted('client')
        await peer.say(close(code))
        expect(peer.frames()).to.deep.equal([close(code === 0x00fe ? 0 : code)])
        peer.socket.end()
        expect((await peer.connection.closed).code).to.equal(name)
      }
    })

    it('hands out first what came before the CLOSE of the peer, however late someone comes', async () => {
      const peer = await greeted('server')
      await peer.say('a', 'b', close())
      expect(peer.frames()).to.deep.equal([])
      await clock.elapse(5000)
      const tokens: string[] = []
      for await (const token of peer.connection) {
        tokens.push(String(token))
        await clock.elapse(60_000)
      }
      await settled()
      expect([tokens, peer.frames(), peer.log]).to.deep.equal([['a', 'b'], [close(0, 2)], ['open']])
    })

    it('an orderly end with tokens that nobody takes is told to the peer after closeTimeout, with the true count', async () => {
      const peer = await greeted('server', { closeTimeout: 1000 })
      await peer.say('a', 'b', close())
      await clock.elapse(1000)
      await settled()
      expect(peer.frames()).to.deep.equal([close()])
      peer.socket.end()
      const info = await peer.connection.closed
      expect([info.code, info.undeliveredBytes]).to.deep.equal(['ERR_CLOSE_TIMEOUT', 10])
    })

    it('an orderly end that the peer does not answer is cut after closeTimeout', async () => {
      const peer = await greeted('server', { closeTimeout: 1000 })
      peer.connection.close()
      await clock.elapse(999)
      expect(peer.log).to.deep.equal(['open'])
      await clock.elapse(1)
      await settled()
      expect(peer.log).to.deep.equal(['open', 'ERR_CLOSE_TIMEOUT'])
    })

    it('an orderly end before `open` flushes what was sent as soon as it is open', async () => {
      const peer = new BarePeer('client')
      for (const text of ['a', 'b']) peer.connection.send(Buffer.from(text))
      peer.connection.close()
      await settled()
      expect(peer.frames()).to.deep.equal([])
      await peer.say(helloFrom('server'))
      expect(peer.frames()).to.deep.equal(['a', 'b', close()])
      await peer.say(close(0, 2))
      peer.socket.end()
      expect((await peer.connection.closed).code).to.equal('normal')
    })

    it('an orderly end of a server before it has accepted its client refuses it', async () => {
      const { context } = asked()
      const { client, server } = token2Pair({ context })
      await settled()
      server.close()
      const infos = await Promise.all([client.closed, server.closed])
      expect(infos.map(info => info.code)).to.deep.equal(['ERR_REFUSED', 'normal'])
    })

    it('an orderly end inside a listener counts the token that it has', async () => {
      const peer = await greeted('server')
      peer.connection.on('token', () => peer.connection.close())
      await peer.say('a', 'b')
      expect(peer.frames()[0]).to.have.property('type', 'close')
      const { handed } = peer.frames()[0] as unknown as { handed: number }
      expect([handed, peer.connection.tokensReceived]).to.deep.equal([handed, handed])
    })

    it('an orderly end inside a loop counts the token that the loop works on', async () => {
      const peer = await greeted('server')
      await peer.say('a', 'b')
      for await (const token of peer.connection) {
        expect(String(token)).to.equal('a')
        peer.connection.close()
        break
      }
      await settled()
      expect(peer.frames()).to.deep.equal([close(0, 1)])
    })

    it('says nothing after CLOSE: no PONG, no ACK, no WINDOW', async () => {
      const peer = await greeted('server', { receiveWindow: 10 })
      const iterator = peer.connection[Symbol.asyncIterator]()
      await peer.say('aaaaaa')
      await iterator.next()
      peer.connection.close()
      await peer.say(PING)
      await iterator.return?.()
      await peer.say(PING)
      expect(peer.frames(true)).to.deep.equal([close(0, 1)])
    })

    it('says CLOSE last also when a PONG is owed in the same chunk', async () => {
      const peer = await greeted('server')
      await peer.say(PING, close())
      expect(peer.frames().at(-1)).to.deep.equal(close())
    })

    it('ignores what comes after the CLOSE of the peer', async () => {
      const peer = await greeted('server')
      const tokens = listen(peer.connection)
      await peer.say(close(), 'a', bytes('ff ff ff ff'))
      expect([tokens, peer.frames()]).to.deep.equal([[], [close()]])
    })

    it('an orderly end with a count above what was sent, or below an ACK, is an error', async () => {
      for (const [acked, handed] of [
        [0, 3],
        [2, 1]
      ] as const) {
        const peer = await greeted('server')
        for (const text of ['a', 'b']) peer.connection.send(Buffer.from(text))
        await settled()
        await peer.say({ type: 'ack', handed: acked }, close(0, handed))
        expect(peer.frames().at(-1)).to.deep.equal(close(0x0401))
      }
    })
  })

  describe('an end at once', () => {
    it('an end at once by the peer is told with its code and reason', async () => {
      const peer = await greeted('server')
      const tokens = listen(peer.connection)
      await peer.say('a', close(0x0202, 0, 'too slow'))
      const info = await peer.connection.closed
      expect([info.code, info.error?.closeCode, tokens]).to.deep.equal([
        'ERR_PEER_CLOSED',
        'slow-consumer',
        ['a']
      ])
      expect(info.error?.message).to.equal(
        'Cannot go on: the peer closed the connection with slow-consumer, "too slow"'
      )
    })

    it('does not destroy before the peer could read why, and waits for it no longer than a second', async () => {
      const peer = await greeted('server')
      await peer.say(bytes('80 00 00 01 ff'))
      expect([peer.frames(), peer.hasEnded, peer.log]).to.deep.equal([[close(0x0401)], true, ['open']])
      await peer.say('ignored', PING)
      await clock.elapse(999)
      expect(peer.log).to.deep.equal(['open'])
      await clock.elapse(1)
      await settled()
      expect(peer.log).to.deep.equal(['open', 'ERR_PROTOCOL protocol-error'])
    })

    it('an end at once in the middle of a token says nothing', async () => {
      const { client, server, link } = await openPair({ transport: { highWaterMark: 1024 } })
      link.aToB.stall()
      client.send(pattern(900 * KIB))
      await settled()
      server.socket.write(bytes('80 00 00 01 ff'))
      const info = await client.closed
      expect(info.code).to.equal('ERR_PROTOCOL')
      link.aToB.resume()
      expect((await server.closed).code).to.be.oneOf(['ERR_LOST', 'ERR_SOCKET'])
    })

    it('an end at once by destroy() cuts without a word', async () => {
      const peer = await greeted('server')
      peer.connection.destroy()
      await settled()
      expect([peer.frames(), peer.log.at(-1)]).to.deep.equal([[], 'ERR_ABORTED'])
    })
  })

  describe('GOAWAY', () => {
    it('GOAWAY of a server reaches the client as an event, and tokens go on', async () => {
      const { client, server } = await openPair()
      const goaways: Goaway[] = []
      client.on('goaway', goaway => goaways.push(goaway))
      const tokens = listen(client)
      server.goaway({ code: 'drain', retryAfter: 2000, reason: 'bye' })
      server.send(Buffer.from('a'))
      await settled()
      expect(goaways).to.deep.equal([{ code: 'drain', retryAfter: 2000, reason: 'bye' }])
      expect([tokens, client.isOpen]).to.deep.equal([['a'], true])
    })

    it('GOAWAY of a client is an error', async () => {
      const peer = await greeted('server')
      await peer.say({ type: 'goaway', code: 0x0107, retryAfter: 0, reason: '' })
      expect(peer.frames()).to.deep.equal([close(0x0401)])
    })

    it('GOAWAY and CLOSE tell a reason whose control characters are escaped, in the event and in the error', async () => {
      const reason = 'bye\u001b[2J\nJan 1 root: forged\u2028\u202eline\u007f\u009b1m "q" \\ ü 🚫'
      const shown = 'bye\\u001b[2J\\u000aJan 1 root: forged\\u2028\\u202eline\\u007f\\u009b1m "q" \\ ü 🚫'
      const peer = await greeted('client')
      const goaway = once(peer.connection, 'goaway')
      await peer.say({ type: 'goaway', code: 0x0107, retryAfter: 1, reason })
      expect((await goaway)[0]).to.include({ reason: shown })
      await peer.say(close(0x0400, 0, reason))
      const { error } = await peer.connection.closed
      expect(error?.message).to.match(/forged.*ü 🚫/)
      expect(error?.message).not.to.match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    })

    it('GOAWAY with a code that is none of GOAWAY is known by its class', async () => {
      const peer = await greeted('client')
      const goaway = once(peer.connection, 'goaway')
      await peer.say({ type: 'goaway', code: 0x0400, retryAfter: 1, reason: '' })
      expect((await goaway)[0]).to.include({ code: 'refused' })
    })
  })

  it('leaves no timer behind', async () => {
    const { client, server } = await openPair({ both: { heartbeat: 1000 } })
    client.send(Buffer.from('a'))
    listen(server)
    await settled()
    client.close()
    await Promise.all([client.closed, server.closed])
    const broken = await greeted('server', { heartbeat: 1000 }, {}, { heartbeat: 1000 })
    broken.connection.destroy()
    await broken.connection.closed
    expect(clock.pending).to.equal(0)
  })

  it('carries 20 MiB of tokens of all lengths through a chopped, dribbling link of 1 KiB', async () => {
    const { client, server, link } = await openPair({ transport: { highWaterMark: 1024 } })
    link.chop(5000)
    const tokens = [0, 1, 70_000, 300_000, 5, 1_000_000, 65_532].map(pattern)
    const received = tokensOf(server, tokens.length)
    for (const token of tokens) client.send(token)
    const arrived = await received
    expect(arrived.every((token, i) => token.equals(tokens[i] as Buffer))).to.equal(true)
    expect(frames(...tokens).length).to.be.below(link.aToB.bytesPassed)
  })
})
