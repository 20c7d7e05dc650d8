import { Readable } from 'node:stream'
import { expect } from 'chai'
import type { Connection } from '../../lib/connection/connection'
import type { DeliverOptions } from '../../lib/connection/connection-context'
import type { TokenError } from '../../lib/errors/token-error'
import type { FakeClock } from '../../lib/testing'
import { FEATURE_ACK, FEATURE_END } from '../../lib/wire/hello'
import { pattern } from '../helpers/bytes'
import { usesFakeClock } from '../helpers/fake-clock'
import { settled } from '../helpers/moments'
import {
  BarePeer,
  close,
  destroyTransports,
  greeted,
  helloFrom,
  openPair,
  type PairOptions,
  token2Pair
} from '../helpers/token-2'

const KIB = 1024

/** `handed`, or the code of the error, into an array that fills in the order of the answers. */
function fates(connection: Connection) {
  const told: string[] = []
  const deliver = (text: string, options?: DeliverOptions) =>
    connection.deliver(Buffer.from(text), options).then(
      () => void told.push(`${text} handed`),
      (error: TokenError) => void told.push(`${text} ${error.code}`)
    )
  return { told, deliver }
}

describe('deliver()', () => {
  let clock: FakeClock

  afterEach(destroyTransports)

  usesFakeClock(made => {
    clock = made
  })

  describe('a promise that is kept', () => {
    it('resolves when the listeners of the token have returned', async () => {
      const { client, server } = await openPair()
      const { told, deliver } = fates(client)
      void deliver('a')
      await settled()
      expect(told).to.deep.equal([])
      const seen: string[][] = []
      server.on('token', () => seen.push([...told]))
      await settled()
      expect([seen, told]).to.deep.equal([[[]], ['a handed']])
    })

    it('resolves also when the listeners of the token throw', async () => {
      const peer = await greeted('server')
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.on('uncaughtException', () => {})
      peer.connection.on('token', () => {
        throw new Error('in the listener')
      })
      await peer.say('a')
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
      expect(peer.frames(true)).to.deep.equal([{ type: 'ack', handed: 1 }])
    })

    it('resolves when an iteration asks for the next token', async () => {
      const { client, server } = await openPair()
      const { told, deliver } = fates(client)
      void deliver('a')
      const iterator = server[Symbol.asyncIterator]()
      await iterator.next()
      await settled()
      expect(told).to.deep.equal([])
      void iterator.next()
      await settled()
      expect(told).to.deep.equal(['a handed'])
    })

    it('resolves when the token was read out of a stream', async () => {
      const { client, server } = await openPair()
      const { told, deliver } = fates(client)
      const stream = server.stream().on('error', () => {})
      for (const text of ['a', 'b', 'c']) void deliver(text)
      await settled()
      expect(told).to.deep.equal([])
      stream.resume()
      await settled()
      expect(told).to.deep.equal(['a handed', 'b handed', 'c handed'])
    })

    it('resolves also behind tokens that were only sent', async () => {
      const { client, server } = await openPair()
      server.on('token', () => {})
      for (let i = 0; i < 10; i++) client.send(Buffer.from('x'))
      await client.deliver(Buffer.from('y'))
      client.close()
      expect((await client.closed).unconfirmed).to.equal(0)
    })
  })

  describe('a token that never leaves', () => {
    it('rejects with ERR_NOT_SENT when the connection is closed', async () => {
      const { client } = await openPair()
      client.close()
      const { told, deliver } = fates(client)
      await deliver('a')
      expect(told).to.deep.equal(['a ERR_NOT_SENT'])
    })

    it('rejects with ERR_NOT_SENT when the outbox is full, and nothing was taken', async () => {
      const { client } = await openPair({
        client: { maxTokenLength: 10, outboxBytes: 14 },
        server: { receiveWindow: 1 }
      })
      const { told, deliver } = fates(client)
      void deliver('1')
      await settled()
      for (const text of ['1234567890', '3']) void deliver(text)
      await settled()
      expect([told, client.tokensSent]).to.deep.equal([['3 ERR_NOT_SENT'], 2])
    })

    it('rejects with ERR_NOT_SENT when the signal has aborted before', async () => {
      const { client } = await openPair()
      const reason = new Error('no need')
      const error = await client
        .deliver(Buffer.from('a'), { signal: AbortSignal.abort(reason) })
        .catch(e => e)
      expect([error.code, error.cause, client.tokensSent]).to.deep.equal(['ERR_NOT_SENT', reason, 0])
    })

    it('rejects with ERR_NOT_SENT when the signal aborts while it waits: the token is taken back, the others keep their fates', async () => {
      const peer = await greeted('client', {}, {}, { receiveWindow: 1 })
      const { told, deliver } = fates(peer.connection)
      const controller = new AbortController()
      void deliver('a')
      void deliver('b', { signal: controller.signal })
      void deliver('c')
      await settled()
      controller.abort()
      await settled()
      expect([told, peer.connection.tokensSent]).to.deep.equal([['b ERR_NOT_SENT'], 2])
      await peer.say({ type: 'window', granted: 100 })
      await peer.say({ type: 'ack', handed: 2 })
      expect([peer.frames(), told]).to.deep.equal([
        ['a', 'c'],
        ['b ERR_NOT_SENT', 'a handed', 'c handed']
      ])
    })

    it('rejects with ERR_NOT_SENT when the timeout passes while it waits', async () => {
      const peer = await greeted('client', {}, {}, { receiveWindow: 1 })
      const { told, deliver } = fates(peer.connection)
      peer.connection.send(Buffer.from('a'))
      void deliver('b', { timeout: 100 })
      await clock.elapse(100)
      await settled()
      expect(told).to.deep.equal(['b ERR_NOT_SENT'])
    })

    it('rejects with ERR_NOT_SENT when the final count of the peer is below its number', async () => {
      const peer = await greeted('client')
      const { told, deliver } = fates(peer.connection)
      for (const text of ['a', 'b', 'c']) void deliver(text)
      await settled()
      await peer.say(close(0, 1))
      expect(told).to.deep.equal(['a handed', 'b ERR_NOT_SENT', 'c ERR_NOT_SENT'])
    })

    it('rejects with ERR_NOT_SENT when the peer has closed at once, with the same count', async () => {
      const peer = await greeted('client')
      const { told, deliver } = fates(peer.connection)
      for (const text of ['a', 'b']) void deliver(text)
      await settled()
      await peer.say(close(0x0202, 1))
      expect(told).to.deep.equal(['a handed', 'b ERR_NOT_SENT'])
    })

    it('rejects with ERR_NOT_SENT when it was sent after the CLOSE of the peer', async () => {
      const peer = await greeted('server')
      const { told, deliver } = fates(peer.connection)
      await peer.say('a', close())
      void deliver('late')
      await settled()
      for await (const _token of peer.connection);
      await settled()
      peer.socket.end()
      await peer.connection.closed
      await settled()
      expect(told).to.deep.equal(['late ERR_NOT_SENT'])
    })

    it('rejects with ERR_NOT_SENT when the server refuses', async () => {
      const { client } = token2Pair({ context: { authorize: () => false } })
      const { told, deliver } = fates(client)
      await deliver('a')
      expect(told).to.deep.equal(['a ERR_NOT_SENT'])
    })
  })

  it('rejects with ERR_TOKEN_TOO_LARGE when the peer turns out to take less, and the others keep their fates', async () => {
    const { client, server } = token2Pair({ server: { maxTokenLength: 3 } })
    server.on('token', () => {})
    const { told, deliver } = fates(client)
    for (const text of ['a', 'long', 'b']) void deliver(text)
    await settled()
    expect(told).to.have.members(['long ERR_TOKEN_TOO_LARGE', 'a handed', 'b handed'])
  })

  it('rejects what is no token, and a timeout that is none', async () => {
    const { client } = await openPair()
    const codeOf = (error: TokenError) => error.code
    expect(await client.deliver('text' as never).catch(codeOf)).to.equal('ERR_TOKEN_TYPE')
    expect(await client.deliver(Buffer.alloc(0), { timeout: -1 }).catch(codeOf)).to.equal('ERR_OPTION')
    expect(client.tokensSent).to.equal(0)
  })

  describe('a token of which nobody knows', () => {
    it('rejects with ERR_FATE_UNKNOWN when the signal aborts, or the timeout passes, after the token has left', async () => {
      const peer = await greeted('client')
      const { told, deliver } = fates(peer.connection)
      const controller = new AbortController()
      void deliver('a', { signal: controller.signal })
      void deliver('b', { timeout: 100 })
      await settled()
      controller.abort()
      await clock.elapse(100)
      await settled()
      expect(told).to.deep.equal(['a ERR_FATE_UNKNOWN', 'b ERR_FATE_UNKNOWN'])
      await peer.say({ type: 'ack', handed: 2 })
      expect(peer.connection.isOpen).to.equal(true)
    })

    it('rejects with ERR_FATE_UNKNOWN when the connection is cut and no count covers it', async () => {
      const { client, server, link } = await openPair()
      const { told, deliver } = fates(client)
      link.bToA.stall()
      server.on('token', () => {})
      void deliver('a')
      await settled()
      link.cut()
      await client.closed
      await settled()
      expect(told).to.deep.equal(['a ERR_FATE_UNKNOWN'])
    })
  })

  it('times out no sooner with 0, and never with Infinity', async () => {
    const peer = await greeted('client')
    const { told, deliver } = fates(peer.connection)
    void deliver('a', { timeout: 0 })
    void deliver('b', { timeout: Infinity })
    await clock.elapse(1_000_000)
    expect(told).to.deep.equal([])
    await peer.say({ type: 'ack', handed: 2 })
    expect(told).to.deep.equal(['a handed', 'b handed'])
  })

  it('lets a close() go on that waited for a token which is taken back', async () => {
    const peer = await greeted('client', { closeTimeout: 60_000 }, {}, { receiveWindow: 1 })
    const { told, deliver } = fates(peer.connection)
    peer.connection.send(Buffer.from('a'))
    void deliver('b', { timeout: 100 })
    peer.connection.close()
    await settled()
    expect(peer.frames()).to.deep.equal(['a'])
    await clock.elapse(100)
    await settled()
    expect([peer.frames(), told]).to.deep.equal([['a', close()], ['b ERR_NOT_SENT']])
  })

  it('waits for `open` when it is called before', async () => {
    const peer = new BarePeer('client')
    const { told, deliver } = fates(peer.connection)
    void deliver('a')
    await settled()
    await peer.say(helloFrom('server'))
    await peer.say({ type: 'ack', handed: 1 })
    expect([peer.frames(), told]).to.deep.equal([['a'], ['a handed']])
  })

  it('leaves no fate unknown when close() comes right behind it', async () => {
    const { client, server } = await openPair()
    const { told, deliver } = fates(client)
    const consume = async () => {
      for await (const token of server) if (String(token) === '20') server.close()
    }
    const all = Promise.all(Array.from({ length: 50 }, (_, i) => deliver(String(i))))
    await consume()
    await all
    expect(told.filter(fate => fate.endsWith('handed'))).to.have.length(server.tokensReceived)
    expect(told.filter(fate => fate.endsWith('ERR_NOT_SENT'))).to.have.length(50 - server.tokensReceived)
  })

  it('5,000 deep, echoed by both sides inside `for await` over 4 KiB windows, does not deadlock', async () => {
    const count = 5000
    const { client, server } = await openPair({ both: { receiveWindow: 4 * KIB } })
    const echo = async () => {
      for await (const token of server) await server.deliver(token)
    }
    const echoing = echo()
    let received = 0
    const receive = async () => {
      for await (const _token of client) if (++received === count) break
    }
    const deliveries = Array.from({ length: count }, (_, i) => client.deliver(Buffer.from(String(i))))
    await Promise.all([...deliveries, receive()])
    client.close()
    await Promise.all([echoing, client.closed, server.closed])
    expect(received).to.equal(count)
  })

  it('cut at each byte, tells `handed` only of tokens that were, and ERR_NOT_SENT only of tokens that were not', async () => {
    const options: PairOptions = { both: { receiveWindow: 40, heartbeat: 0 } }
    let untouched = false
    for (let at = 0; !untouched; at++) {
      const { client, server, link } = await openPair(options)
      const start = link.aToB.bytesPassed
      link.dribble(1)
      const handed: string[] = []
      server.on('token', token => handed.push(String(token)))
      const { told, deliver } = fates(client)
      const all = Promise.all(['a', 'bb', 'ccc', 'dddd', 'eeeee', 'f'].map(text => deliver(text)))
      while (link.aToB.bytesPassed - start < at && told.length < 6) await clock.elapse(1)
      untouched = told.length === 6
      link.cut()
      await Promise.all([all, client.closed, server.closed])
      for (const fate of told) {
        const [text, code] = fate.split(' ') as [string, string]
        if (code === 'handed') expect(handed, `cut at ${at}`).to.include(text)
        if (code === 'ERR_NOT_SENT') expect(handed, `cut at ${at}`).not.to.include(text)
      }
      expect(new Set(handed).size, `cut at ${at}`).to.equal(handed.length)
    }
  })

  it('rejects with ERR_NOT_SENT after a cut when half of the token has left', async () => {
    const { client, link } = await openPair({ transport: { highWaterMark: 1024 } })
    link.aToB.stall()
    const fate = client.deliver(pattern(900 * KIB)).catch((error: TokenError) => error.code)
    await settled()
    link.cut()
    expect(await fate).to.equal('ERR_NOT_SENT')
    expect(await client.closed).to.include({ unsent: 1, unconfirmed: 0 })
  })
})

describe('sendFrom()', () => {
  afterEach(destroyTransports)

  it('is refused on a connection whose peer takes no parts, and the stream is destroyed', async () => {
    const { connection } = await greeted('client', {}, undefined, { features: FEATURE_ACK | FEATURE_END })
    const stream = new Readable({ read() {} })
    const code = await connection.sendFrom(stream).catch((error: TokenError) => error.code)
    expect([code, stream.destroyed]).to.deep.equal(['ERR_PROTOCOL_REQUIRED', true])
  })
})
