import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { expect } from 'chai'
import { Connection, controlOf } from '../../lib/connection/connection'
import type { CloseInfo } from '../../lib/errors/close-info'
import type { TokenError } from '../../lib/errors/token-error'
import { FakeClock } from '../../lib/testing'
import { frame, frames, pattern } from '../helpers/bytes'
import { awake, bytesOf, settled, tokensOf, uncaughtDuring } from '../helpers/moments'
import {
  connectionAndPeer,
  connectionPair,
  destroyPairs,
  HeldDuplex,
  memoryPair,
  socketPair,
  unixPair
} from '../helpers/pairs'

const KIB = 1024
const MIB = 1024 * KIB

function logOf(connection: Connection): string[] {
  const log: string[] = []
  connection.on('drain', () => log.push('drain'))
  connection.on('error', error => log.push(`error ${error.code}`))
  connection.on('close', (hadError, info) => log.push(`close ${hadError} ${info.code}`))
  return log
}

/** The tokens of a listener that stays, in an array that fills. */
function listen(connection: Connection): string[] {
  const tokens: string[] = []
  connection.on('token', token => tokens.push(String(token)))
  return tokens
}

/** It has been closed, and does not cut its peer, who takes 20 ms to end. */
async function expectPatient(connection: Connection, peer: Duplex): Promise<void> {
  const other = connectionAndPeer({ closeTimeout: 20 }).connection
  other.close()
  await awake(other.closed)
  expect(connection.socket.destroyed).to.equal(false)
  peer.resume().end()
  expect((await connection.closed).code).to.equal('normal')
}

describe('Connection', () => {
  afterEach(destroyPairs)

  const transports: [string, () => Promise<[Duplex, Duplex]>][] = [
    ['stream.duplexPair()', () => Promise.resolve(memoryPair())],
    ['TCP on loopback', socketPair],
    ['a Unix socket', unixPair]
  ]
  for (const [name, open] of transports) {
    describe(`over ${name}`, () => {
      async function pair(options = {}): Promise<[Connection, Connection]> {
        const [a, b] = await open()
        return [new Connection(a, options), new Connection(b, options)]
      }

      it('carries tokens both ways and closes in order on both sides', async () => {
        const [a, b] = await pair()
        a.send(Buffer.from('ping'))
        b.send(Buffer.from('pong'))
        a.send(Buffer.alloc(0))
        expect((await tokensOf(b, 2)).map(String)).to.deep.equal(['ping', ''])
        expect((await tokensOf(a, 1)).map(String)).to.deep.equal(['pong'])
        expect(a.close()).to.equal(true)
        expect((await Promise.all([a.closed, b.closed])).map(info => info.code)).to.deep.equal([
          'normal',
          'normal'
        ])
      })

      it('carries a token of 20 MiB when the limits allow it', async () => {
        const [a, b] = await pair({ maxTokenLength: 20 * MIB })
        const token = pattern(20 * MIB)
        expect(a.send(token)).to.equal(true)
        const [received] = await tokensOf(b, 1)
        expect(received?.equals(token)).to.equal(true)
      })

      it('carries 100,000 small tokens both ways at once', async () => {
        const [a, b] = await pair()
        const count = 100_000
        const exchange = async (from: Connection, to: Connection) => {
          let next = 0
          const done = new Promise<void>((resolve, reject) => {
            to.on('token', token => {
              if (token.length !== 4 || token.readUInt32BE() !== next++)
                reject(new Error(`token ${next} differs`))
              else if (next === count) resolve()
            })
          })
          for (let i = 0; i < count; i++) {
            const token = Buffer.allocUnsafe(4)
            token.writeUInt32BE(i)
            if (!from.send(token)) throw new Error('the outbox is full')
            if (from.writableNeedDrain) await once(from, 'drain')
          }
          await done
        }
        await Promise.all([exchange(a, b), exchange(b, a)])
        expect([a.tokensSent, b.tokensReceived]).to.deep.equal([count, count])
      })

      it('flushes megabytes before it ends', async () => {
        const [a, b] = await pair()
        const tokens = Array.from({ length: 40 }, (_, i) => pattern(200_000 + i, i))
        for (const token of tokens) expect(a.send(token)).to.equal(true)
        a.close()
        const received = await tokensOf(b, tokens.length)
        expect(received.every((token, i) => token.equals(tokens[i] as Buffer))).to.equal(true)
        const info = await a.closed
        expect([info.code, info.unsent, info.unconfirmed]).to.deep.equal(['normal', 0, tokens.length])
      })
    })
  }

  it('has a protocol, a socket, and no peer over anything but TLS', () => {
    const [socket] = memoryPair()
    const connection = new Connection(socket)
    expect([connection.protocol, connection.socket, connection.peer]).to.deep.equal(['token/1', socket, null])
  })

  it('leaves the socket alone when it refuses an option', () => {
    const [socket] = memoryPair()
    const before = socket.eventNames()
    expect(() => new Connection(socket, { maxTokenLength: -1 }))
      .to.throw()
      .with.property('code', 'ERR_OPTION')
    expect(socket.eventNames()).to.deep.equal(before)
  })

  describe('send()', () => {
    it('throws on what is no token, and takes nothing', () => {
      const { connection } = connectionAndPeer({ maxTokenLength: 4 })
      expect(() => connection.send('text' as never))
        .to.throw()
        .with.property('code', 'ERR_TOKEN_TYPE')
      expect(() => connection.send(pattern(5)))
        .to.throw()
        .with.property('code', 'ERR_TOKEN_TOO_LARGE')
      expect([connection.bufferedAmount, connection.tokensSent]).to.deep.equal([0, 0])
    })

    it('throws on what is no token also when the connection is dead', async () => {
      const { connection } = connectionAndPeer()
      connection.destroy()
      await connection.closed
      expect(() => connection.send('text' as never))
        .to.throw()
        .with.property('code', 'ERR_TOKEN_TYPE')
    })

    it('says false on a dead connection', async () => {
      const { connection, peer } = connectionAndPeer()
      peer.resume()
      expect(connection.isDead).to.equal(false)
      connection.close()
      expect([connection.isDead, connection.send(Buffer.from('a'))]).to.deep.equal([true, false])
      peer.end()
      await connection.closed
      expect([connection.isDead, connection.send(Buffer.from('a')), connection.tokensSent]).to.deep.equal([
        true,
        false,
        0
      ])
    })

    it('says false when the socket was ended before', () => {
      const [socket] = memoryPair()
      socket.end()
      const connection = new Connection(socket)
      expect([connection.isDead, connection.send(Buffer.from('a'))]).to.deep.equal([true, false])
    })

    it('says false when the outbox is full, takes nothing, and true again after `drain`', async () => {
      const socket = new HeldDuplex()
      const connection = new Connection(socket, { maxTokenLength: 96, outboxBytes: 250, highWaterMark: 200 })
      const sent = [1, 2, 3].map(seed => connection.send(pattern(96, seed)))
      expect(sent).to.deep.equal([true, true, false])
      expect([connection.bufferedAmount, connection.tokensSent]).to.deep.equal([200, 2])
      expect([connection.writableNeedDrain, connection.isDead]).to.deep.equal([true, false])
      const drained = once(connection, 'drain')
      socket.release()
      await drained
      expect(connection.bufferedAmount).to.equal(100)
      expect([connection.writableNeedDrain, connection.send(pattern(96))]).to.deep.equal([false, true])
    })

    it('send() inside a token listener answers before the next token is handed out, in order', async () => {
      const { connection, peer } = connectionAndPeer()
      connection.on('token', token => connection.send(Buffer.from(`re ${token}`)))
      peer.end(frames('a', 'b', 'c'))
      expect(await bytesOf(peer)).to.deep.equal(frames('re a', 're b', 're c'))
    })

    it('send() inside `close` says false', async () => {
      const { connection } = connectionAndPeer()
      connection.destroy()
      const sent = await new Promise(resolve => {
        connection.on('close', () => resolve([connection.send(Buffer.from('a')), connection.close()]))
      })
      expect(sent).to.deep.equal([false, false])
    })

    it('waits with the peer when the peer does not read', async () => {
      const [socket, peerSocket] = await socketPair()
      const connection = new Connection(socket, { maxTokenLength: MIB, outboxBytes: 32 * MIB })
      const peer = new Connection(peerSocket)
      let count = 0
      while (connection.send(pattern(MIB - 4, count))) count++
      expect(count).to.equal(32)
      expect(connection.writableNeedDrain).to.equal(true)
      const drained = once(connection, 'drain')
      const received = await tokensOf(peer, count)
      await drained
      expect(received.every((token, i) => token.equals(pattern(MIB - 4, i)))).to.equal(true)
      expect(connection.bufferedAmount).to.be.at.most(128 * KIB)
    })
  })

  describe('token listeners', () => {
    it('added late get every token', async () => {
      const { connection, peer } = connectionAndPeer()
      peer.write(frames('a', 'b'))
      await settled()
      const tokens = listen(connection)
      expect(tokens).to.deep.equal([])
      await settled()
      peer.write(frames('c'))
      await settled()
      expect(tokens).to.deep.equal(['a', 'b', 'c'])
    })

    it('all get each token', async () => {
      const { connection, peer } = connectionAndPeer()
      const logs = [listen(connection), listen(connection)]
      peer.write(frames('a'))
      await settled()
      expect(logs).to.deep.equal([['a'], ['a']])
      expect(connection.tokensReceived).to.equal(1)
    })

    it('token listeners of `once` take one, and leave the rest of the chunk', async () => {
      const { connection, peer } = connectionAndPeer()
      peer.write(frames('a', 'b', 'c'))
      expect(String((await once(connection, 'token'))[0])).to.equal('a')
      expect(String((await once(connection, 'token'))[0])).to.equal('b')
      await settled()
      expect(connection.tokensReceived).to.equal(2)
      expect(listen(connection)).to.deep.equal([])
      await settled()
      expect(connection.tokensReceived).to.equal(3)
    })

    it('removed inside the listener get nothing more of the same chunk', async () => {
      const { connection, peer } = connectionAndPeer()
      const tokens: string[] = []
      connection.on('token', function listener(token) {
        tokens.push(String(token))
        if (tokens.length === 2) connection.removeListener('token', listener)
      })
      peer.write(frames('a', 'b', 'c', 'd'))
      await settled()
      expect(tokens).to.deep.equal(['a', 'b'])
      for await (const token of connection) {
        expect(String(token)).to.equal('c')
        break
      }
    })

    it('replaced inside the listener go on with the next token', async () => {
      const { connection, peer } = connectionAndPeer()
      const tokens: string[] = []
      connection.once('token', first => {
        tokens.push(`first ${first}`)
        connection.on('token', token => tokens.push(`then ${token}`))
      })
      peer.write(frames('a', 'b', 'c'))
      await settled()
      expect(tokens).to.deep.equal(['first a', 'then b', 'then c'])
    })

    it('get tokens again after removeAllListeners()', async () => {
      const { connection, peer } = connectionAndPeer()
      listen(connection)
      connection.removeAllListeners()
      peer.write(frames('a'))
      await settled()
      expect(connection.tokensReceived).to.equal(0)
      const tokens = listen(connection)
      await settled()
      expect(tokens).to.deep.equal(['a'])
    })

    it('token listeners that throw are reported as uncaught, and the next token comes whole', async () => {
      const { connection, peer } = connectionAndPeer()
      const tokens: string[] = []
      connection.on('token', token => {
        tokens.push(String(token))
        if (String(token) === 'b') throw new Error('about b')
      })
      const caught = await uncaughtDuring(async () => {
        const bytes = frames('a', 'b', 'c', 'd')
        peer.write(bytes.subarray(0, 13))
        await settled()
        peer.write(bytes.subarray(13))
        await settled()
      })
      expect(caught.map(String)).to.deep.equal(['Error: about b'])
      expect(tokens).to.deep.equal(['a', 'b', 'c', 'd'])
      expect(connection.isDead).to.equal(false)
    })

    it('may destroy the connection: nothing more of the chunk comes', async () => {
      const { connection, peer } = connectionAndPeer()
      const tokens = listen(connection)
      connection.prependListener('token', () => connection.destroy())
      peer.write(frames('a', 'b', 'c'))
      const info = await connection.closed
      expect(tokens).to.deep.equal(['a'])
      expect([info.code, info.undeliveredBytes]).to.deep.equal(['ERR_ABORTED', 10])
    })

    it('may close the connection: what was on its way still comes', async () => {
      const { connection, peer } = connectionAndPeer()
      const tokens = listen(connection)
      connection.prependListener('token', () => connection.close())
      peer.resume()
      peer.write(frames('a', 'b'))
      peer.end(frames('c'))
      expect((await connection.closed).code).to.equal('normal')
      expect(tokens).to.deep.equal(['a', 'b', 'c'])
    })

    it('token listeners beside an iterator or a stream throw ERR_CONSUMER and are not added', () => {
      const { connection } = connectionAndPeer()
      const iterator = connection[Symbol.asyncIterator]()
      for (const add of ['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'] as const) {
        expect(() => connection[add]('token', () => {}))
          .to.throw()
          .with.property('code', 'ERR_CONSUMER')
      }
      expect(connection.listenerCount('token')).to.equal(0)
      void iterator.return?.()
      connection.on('token', () => {})
    })
  })

  describe('a forward, as a server or a client is for its connections', () => {
    function forwarded(isWanting: boolean) {
      const [socket, peer] = memoryPair()
      const log: string[] = []
      const forward = {
        isWanting,
        handling: null,
        take: (token: Buffer, from: object) => void log.push(`${token} ${(from as Connection).protocol}`)
      }
      return { connection: new Connection(socket, {}, { forward }), peer, log, forward }
    }

    it('takes what comes, with its connection', async () => {
      const { peer, log } = forwarded(true)
      peer.write(frames('a', 'b'))
      await settled()
      expect(log).to.deep.equal(['a token/1', 'b token/1'])
    })

    it('a forward that does not want tokens leaves them waiting until it says that it does', async () => {
      const { connection, peer, log, forward } = forwarded(false)
      peer.write(frames('a'))
      await settled()
      expect(log).to.deep.equal([])
      forward.isWanting = true
      controlOf(connection).forwardTo(forward)
      expect(log).to.deep.equal(['a token/1'])
    })

    it('gets tokens beside the listeners of the connection', async () => {
      const { connection, peer, log } = forwarded(true)
      const tokens = listen(connection)
      peer.write(frames('a'))
      await settled()
      expect([log, tokens]).to.deep.equal([['a token/1'], ['a']])
    })

    it('gives way to an iterator, and gets tokens again when it is left', async () => {
      const { connection, peer, log } = forwarded(true)
      const iterator = connection[Symbol.asyncIterator]()
      peer.write(frames('a', 'b'))
      expect(String((await iterator.next()).value)).to.equal('a')
      expect(log).to.deep.equal([])
      await iterator.return?.()
      expect(log).to.deep.equal(['b token/1'])
    })
  })

  describe('close()', () => {
    it('is true once, and false ever after', async () => {
      const { connection, peer } = connectionAndPeer()
      peer.resume().end()
      expect([connection.close(), connection.close()]).to.deep.equal([true, false])
      await connection.closed
      expect(connection.close()).to.equal(false)
    })

    it('is false after the peer ended the connection', async () => {
      const [a, b] = connectionPair()
      a.close()
      await b.closed
      expect(b.close()).to.equal(false)
    })

    it('refuses a timeout that is none, and does not close', () => {
      const { connection } = connectionAndPeer()
      for (const timeout of [-1, NaN, '5' as never]) {
        expect(() => connection.close({ timeout }))
          .to.throw()
          .with.property('code', 'ERR_OPTION')
      }
      expect(connection.isDead).to.equal(false)
    })

    it('sends what was taken in the same turn, however many', async () => {
      for (const count of [1, 2, 3, 1000]) {
        const { connection, peer } = connectionAndPeer()
        for (let i = 0; i < count; i++) connection.send(Buffer.of(i & 0xff))
        connection.close()
        peer.end()
        const received = await bytesOf(peer)
        expect(received.length).to.equal(count * 5)
        expect((await connection.closed).unconfirmed).to.equal(count)
      }
    })

    it('throws away what nobody takes, and counts it', async () => {
      const { connection, peer } = connectionAndPeer()
      peer.write(frame(pattern(1000)))
      await settled()
      connection.close()
      peer.resume()
      peer.write(frame(pattern(200 * KIB)))
      peer.end()
      const info = await connection.closed
      expect([info.code, info.undeliveredBytes]).to.deep.equal(['normal', 1004 + 200 * KIB + 4])
    })

    it('destroys a peer that does not end in its timeout', async () => {
      for (const [options, timeout] of [
        [{ closeTimeout: 5 }, undefined],
        [{ closeTimeout: 60_000 }, 5],
        [{ closeTimeout: 60_000 }, 0]
      ] as const) {
        const { connection } = connectionAndPeer(options)
        connection.close({ timeout })
        const info = await awake(connection.closed)
        expect([info.code, info.hadError]).to.deep.equal(['ERR_CLOSE_TIMEOUT', true])
        expect(info.error?.message).to.contain(`${timeout ?? 5} ms`)
      }
    })

    it('counts what it could not send in that time', async () => {
      const connection = new Connection(new HeldDuplex())
      connection.send(pattern(1))
      connection.send(pattern(2))
      connection.send(pattern(3))
      connection.close({ timeout: 5 })
      const info = await awake(connection.closed)
      expect([info.code, info.unsent, info.unconfirmed]).to.deep.equal(['ERR_CLOSE_TIMEOUT', 2, 1])
    })

    it('waits for ever with Infinity', async () => {
      const { connection, peer } = connectionAndPeer({ closeTimeout: 5 })
      connection.close({ timeout: Infinity })
      await expectPatient(connection, peer)
    })

    for (const first of [60_000, Infinity]) {
      it(`called again waits for no longer than the second call says: 5 ms after ${first}`, async () => {
        const { connection } = connectionAndPeer()
        expect(connection.close({ timeout: first })).to.equal(true)
        expect(connection.close({ timeout: 5 })).to.equal(false)
        const info = await awake(connection.closed)
        expect([info.code, info.error?.message.includes('5 ms')]).to.deep.equal(['ERR_CLOSE_TIMEOUT', true])
      })
    }

    it('called again without a timeout, or with a longer one, waits as the first call said', async () => {
      const { connection, peer } = connectionAndPeer({ closeTimeout: 5 })
      connection.close({ timeout: 60_000 })
      expect([connection.close(), connection.close({ timeout: Infinity })]).to.deep.equal([false, false])
      await expectPatient(connection, peer)
    })

    it('close() inside `drain` works', async () => {
      const { connection, peer } = connectionAndPeer({ highWaterMark: 1 })
      connection.on('drain', () => connection.close())
      connection.send(Buffer.from('a'))
      peer.end()
      expect(await bytesOf(peer)).to.deep.equal(frames('a'))
      expect((await connection.closed).code).to.equal('normal')
    })

    it('close() of both sides at once is normal on both', async () => {
      const [a, b] = connectionPair()
      expect([a.close(), b.close()]).to.deep.equal([true, true])
      expect((await Promise.all([a.closed, b.closed])).map(info => info.code)).to.deep.equal([
        'normal',
        'normal'
      ])
    })

    it('is done by `await using`, also when the block throws', async () => {
      const { connection, peer } = connectionAndPeer()
      peer.resume()
      peer.on('end', () => peer.end())
      try {
        await using scoped = connection
        scoped.send(Buffer.from('a'))
        throw new Error('out of the block')
      } catch (error) {
        expect(String(error)).to.equal('Error: out of the block')
      }
      expect(connection.socket.destroyed).to.equal(true)
      expect((await connection.closed).code).to.equal('normal')
    })
  })

  describe('destroy()', () => {
    it('cuts at once and counts what is lost', async () => {
      const socket = new HeldDuplex()
      const connection = new Connection(socket)
      const log = logOf(connection)
      socket.push(frames('abc'))
      await settled()
      for (let i = 0; i < 4; i++) connection.send(pattern(i))
      connection.destroy()
      connection.destroy()
      const info = await connection.closed
      expect(info).to.include({
        code: 'ERR_ABORTED',
        hadError: true,
        unsent: 3,
        unconfirmed: 1,
        undeliveredBytes: 7
      })
      expect(log).to.deep.equal(['error ERR_ABORTED', 'close true ERR_ABORTED'])
    })

    it('ends a close() that waits', async () => {
      const { connection } = connectionAndPeer()
      connection.close({ timeout: Infinity })
      connection.destroy()
      expect((await connection.closed).code).to.equal('ERR_ABORTED')
    })

    it('changes nothing after the close', async () => {
      const [a, b] = connectionPair()
      const log = logOf(a)
      a.close()
      const info = await a.closed
      a.destroy()
      await b.closed
      expect(await a.closed).to.equal(info)
      expect(log).to.deep.equal(['close false normal'])
    })

    it('says nothing in order to the peer of a Duplex in memory: it sees no end in the middle of a frame', async () => {
      const [a, b] = await socketPair()
      const connection = new Connection(a)
      const peer = new Connection(b)
      connection.send(Buffer.from('a'))
      expect((await tokensOf(peer, 1)).map(String)).to.deep.equal(['a'])
      connection.destroy()
      await peer.closed
    })
  })

  describe('the peer', () => {
    it('a peer that ends ends the connection, when everything was handed out', async () => {
      const { connection, peer } = connectionAndPeer()
      const log = logOf(connection)
      const tokens = listen(connection)
      peer.resume().end(frames('a', 'b'))
      const info = await connection.closed
      expect(tokens).to.deep.equal(['a', 'b'])
      expect(info).to.deep.equal({
        code: 'normal',
        hadError: false,
        error: null,
        unsent: 0,
        unconfirmed: 0,
        undeliveredBytes: 0
      })
      expect(Object.isFrozen(info)).to.equal(true)
      expect(log).to.deep.equal(['close false normal'])
    })

    it('a peer that ends still gets what is queued for it', async () => {
      const { connection, peer } = connectionAndPeer()
      listen(connection)
      for (let i = 0; i < 20; i++) connection.send(pattern(50_000, i))
      peer.end()
      const received = await bytesOf(peer)
      expect(received.equals(frames(...Array.from({ length: 20 }, (_, i) => pattern(50_000, i))))).to.equal(
        true
      )
      expect((await connection.closed).unsent).to.equal(0)
    })

    it('a peer that ended before the connection was made still gives its tokens', async () => {
      const [socket, peer] = memoryPair()
      peer.resume().end(frames('a'))
      await settled()
      const connection = new Connection(socket)
      const tokens = listen(connection)
      expect((await connection.closed).code).to.equal('normal')
      expect(tokens).to.deep.equal(['a'])
    })

    for (const [state, wait] of [
      ['just now', false],
      ['long before', true]
    ] as const) {
      it(`a peer that was destroyed ${state} before the connection was made closes it with an error`, async () => {
        const socket = new HeldDuplex()
        socket.on('error', () => {})
        socket.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
        if (wait) await settled()
        const connection = new Connection(socket)
        expect(connection.isDead).to.equal(true)
        const info = await connection.closed
        expect([info.code, info.hadError]).to.deep.equal(['ERR_SOCKET', true])
        expect(info.error?.message).to.contain('ECONNRESET')
      })
    }

    it('a peer that ends with tokens nobody takes is closed after closeTimeout, and the bytes are counted', async () => {
      const { connection, peer } = connectionAndPeer({ closeTimeout: 5 })
      peer.end(frames('abc', 'd'))
      const info = await awake(connection.closed)
      expect([info.code, info.undeliveredBytes]).to.deep.equal(['ERR_CLOSE_TIMEOUT', 12])
    })

    it('a peer that ends while nobody listens leaves everything to who comes in time, and may take any time', async () => {
      const { connection, peer } = connectionAndPeer({ closeTimeout: 150 })
      peer.resume().end(frames('a', 'b'))
      await settled()
      const tokens: string[] = []
      for await (const token of connection) {
        if (tokens.push(String(token)) === 2) break
        const other = connectionAndPeer({ closeTimeout: 200 }).connection
        other.close()
        await awake(other.closed)
      }
      expect(tokens).to.deep.equal(['a', 'b'])
      expect((await connection.closed).code).to.equal('normal')
    })

    it('a peer that ends in the middle of a frame broke it', async () => {
      const { connection, peer } = connectionAndPeer()
      const tokens = listen(connection)
      peer.end(Buffer.concat([frames('a'), frame('xyz').subarray(0, 5)]))
      const info = await connection.closed
      expect([tokens, info.code]).to.deep.equal([['a'], 'ERR_TRUNCATED'])
    })

    it('a peer that resets is told with its code', async () => {
      const [socket, peer] = await socketPair()
      const connection = new Connection(socket)
      const log = logOf(connection)
      listen(connection)
      peer.resetAndDestroy()
      const info = await connection.closed
      expect(info.code).to.equal('ERR_SOCKET')
      expect(info.error?.cause).to.have.property('code', 'ECONNRESET')
      expect(log).to.deep.equal(['error ERR_SOCKET', 'close true ERR_SOCKET'])
    })
  })

  describe('a Duplex', () => {
    it('a Duplex that fails a write closes with its error', async () => {
      const socket = new HeldDuplex()
      const connection = new Connection(socket)
      connection.send(pattern(5))
      connection.send(pattern(5))
      const cause = new Error('broken')
      socket.release(cause)
      const info = await connection.closed
      expect(info).to.include({ code: 'ERR_SOCKET', unsent: 1, unconfirmed: 1 })
      expect(info.error?.cause).to.equal(cause)
    })

    it('a Duplex that calls back synchronously gets everything in order', async () => {
      const written: Buffer[] = []
      const socket = new Duplex({
        read() {},
        write(chunk, _encoding, done) {
          written.push(chunk)
          done()
        }
      })
      const connection = new Connection(socket, { highWaterMark: 1 })
      for (let i = 0; i < 1000; i++) connection.send(Buffer.of(i & 0xff))
      connection.close()
      socket.push(null)
      await connection.closed
      expect(Buffer.concat(written)).to.deep.equal(
        frames(...Array.from({ length: 1000 }, (_, i) => Buffer.of(i & 0xff)))
      )
    })

    it('a Duplex that someone else destroys is no normal end', async () => {
      const { connection, peer } = connectionAndPeer()
      const iterator = connection[Symbol.asyncIterator]()
      peer.write(frame('cut').subarray(0, 6))
      const next = iterator.next().catch((error: TokenError) => error.code)
      await settled()
      connection.socket.destroy()
      const info = await connection.closed
      expect([info.code, info.hadError]).to.deep.equal(['ERR_SOCKET', true])
      expect(await next).to.equal('ERR_SOCKET')
    })

    it('a Duplex with an encoding set is refused: it gives no bytes', async () => {
      const [socket, peer] = memoryPair()
      socket.setEncoding('utf8')
      const connection = new Connection(socket)
      listen(connection)
      peer.write(frames('abc'))
      expect((await connection.closed).code).to.equal('ERR_SOCKET')
    })

    it('a Duplex in object mode that gives Uint8Arrays is refused too', async () => {
      const socket = new Duplex({ objectMode: true, read() {}, write: (_chunk, _encoding, done) => done() })
      const connection = new Connection(socket)
      listen(connection)
      socket.push(new Uint8Array(frames('abc')))
      expect((await connection.closed).code).to.equal('ERR_SOCKET')
    })
  })

  describe('close and error', () => {
    it('come once, the error first, and then `closed`', async () => {
      const { connection, peer } = connectionAndPeer({ maxTokenLength: 4 })
      const log = logOf(connection)
      listen(connection)
      void connection.closed.then(info => log.push(`closed ${info.code}`))
      peer.write(frames('abcde', 'a'))
      await connection.closed
      await settled()
      expect(log).to.deep.equal([
        'error ERR_TOKEN_TOO_LARGE',
        'close true ERR_TOKEN_TOO_LARGE',
        'closed ERR_TOKEN_TOO_LARGE'
      ])
    })

    it('crash nothing without an error listener: the reason is in `close`', async () => {
      const { connection, peer } = connectionAndPeer()
      listen(connection)
      peer.write(Buffer.from('80000000', 'hex'))
      const [hadError, info] = await new Promise<[boolean, CloseInfo]>(resolve => {
        connection.on('close', (...told) => resolve(told))
      })
      expect([hadError, info.code, info.error?.code]).to.deep.equal([
        true,
        'ERR_CONTROL_FRAME',
        'ERR_CONTROL_FRAME'
      ])
    })

    it('keep the first error', async () => {
      const { connection, peer } = connectionAndPeer()
      listen(connection)
      peer.write(Buffer.from('80000000', 'hex'))
      await settled()
      connection.destroy()
      expect((await connection.closed).code).to.equal('ERR_CONTROL_FRAME')
    })

    it('`close` comes although an error listener throws', async () => {
      const { connection } = connectionAndPeer()
      let closes = 0
      connection.on('error', () => {
        throw new Error('in the listener')
      })
      connection.on('close', () => closes++)
      const caught = await uncaughtDuring(async () => {
        connection.destroy()
        await connection.closed
      })
      expect([closes, caught.map(String)]).to.deep.equal([1, ['Error: in the listener']])
    })
  })

  describe('timeouts', () => {
    it('frameTimeout cuts a peer that does not go on with a frame', async () => {
      const { connection, peer } = connectionAndPeer({ frameTimeout: 5 })
      listen(connection)
      peer.write(frame('abc').subarray(0, 5))
      expect((await awake(connection.closed)).code).to.equal('ERR_FRAME_TIMEOUT')
    })

    it('writeTimeout cuts a peer that takes nothing', async () => {
      const connection = new Connection(new HeldDuplex(), { writeTimeout: 5 })
      connection.send(pattern(5))
      const info = await awake(connection.closed)
      expect([info.code, info.unconfirmed]).to.deep.equal(['ERR_WRITE_TIMEOUT', 1])
      expect(info.error?.message).to.contain('writeTimeout, 5 ms')
    })

    it('idleTimeout cuts a quiet connection', async () => {
      const { connection } = connectionAndPeer({ idleTimeout: 5 })
      const info = await awake(connection.closed)
      expect([info.code, info.error?.message]).to.deep.equal([
        'ERR_IDLE_TIMEOUT',
        'Cannot keep the connection: no byte of a token passed for idleTimeout, 5 ms'
      ])
    })

    for (const direction of ['in', 'out'] as const) {
      it(`idleTimeout counts anew with each byte ${direction}`, async () => {
        const clock = new FakeClock()
        const restore = clock.install()
        try {
          const { connection, peer } = connectionAndPeer({ idleTimeout: 60 })
          listen(connection)
          peer.resume()
          for (let count = 0; count < 20; count++) {
            await clock.elapse(59)
            if (direction === 'in') peer.write(frames('a'))
            else connection.send(Buffer.from('a'))
            await settled()
          }
          await clock.elapse(59)
          expect(connection.isDead).to.equal(false)
          await clock.elapse(1)
          expect((await connection.closed).code).to.equal('ERR_IDLE_TIMEOUT')
        } finally {
          restore()
        }
      })
    }

    it('idleTimeout does not count while this side does not read', async () => {
      const { connection, peer } = connectionAndPeer({ idleTimeout: 5 })
      peer.write(frame(pattern(100 * KIB)))
      peer.write(frames('more'))
      const other = connectionAndPeer({ idleTimeout: 40 }).connection
      await awake(other.closed)
      expect(connection.isDead).to.equal(false)
      listen(connection)
      expect((await awake(connection.closed)).code).to.equal('ERR_IDLE_TIMEOUT')
      expect(connection.tokensReceived).to.equal(2)
    })
  })
})
