import { once } from 'node:events'
import { Transform } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { Connection } from '../../lib/connection/connection'
import type { TokenError } from '../../lib/errors/token-error'
import { TokenStream } from '../../lib/receiving/token-stream'
import { frames, pattern } from '../helpers/bytes'
import { awake, bytesOf, settled, tokensOf } from '../helpers/moments'
import { connectionAndPeer, connectionPair, destroyPairs, HeldDuplex, socketPair } from '../helpers/pairs'
import { rejection } from '../helpers/refusal'
import { SessionPair } from '../helpers/session-pair'
import { close, destroyTransports, greeted } from '../helpers/token-2'

function slowly(): Transform {
  return new Transform({
    objectMode: true,
    highWaterMark: 1,
    transform(token: Buffer, _encoding, done) {
      void setImmediate().then(() => done(null, Buffer.concat([Buffer.from('re '), token])))
    }
  })
}

describe('TokenStream', () => {
  afterEach(destroyPairs)

  describe('read', () => {
    it('gives one token a chunk, empty ones too, and ends with the peer', async () => {
      const { connection, peer } = connectionAndPeer()
      peer.end(frames('a', '', 'b'))
      peer.resume()
      const tokens: string[] = []
      for await (const token of connection.stream()) tokens.push(String(token))
      expect(tokens).to.deep.equal(['a', '', 'b'])
      expect((await connection.closed).code).to.equal('normal')
    })

    it('holds one token, and leaves the others to the connection', async () => {
      const { connection, peer } = connectionAndPeer()
      const stream = connection.stream().on('error', () => {})
      expect(stream).to.be.instanceOf(TokenStream)
      stream.read(0)
      peer.write(frames('a', 'b', 'c'))
      await settled()
      expect(stream.readableLength).to.equal(1)
      expect(connection.tokensReceived).to.equal(1)
    })

    it('takes nothing while nobody reads', async () => {
      const { connection, peer } = connectionAndPeer()
      connection.stream().on('error', () => {})
      peer.write(frames('a'))
      await settled()
      expect(connection.tokensReceived).to.equal(0)
    })

    it('only, closes the connection when the peer has ended and all was read', async () => {
      const { connection, peer } = connectionAndPeer()
      const stream = connection.stream()
      peer.end(frames('a', 'b'))
      peer.resume()
      await settled()
      expect(connection.isDead).to.equal(false)
      stream.resume()
      expect((await connection.closed).code).to.equal('normal')
    })

    it('fails with what broke the connection', async () => {
      const { connection, peer } = connectionAndPeer({ maxTokenLength: 4 })
      const stream = connection.stream()
      const failed = once(stream, 'error')
      const tokens: string[] = []
      stream.on('data', token => tokens.push(String(token)))
      peer.write(frames('abcd', 'abcde', 'f'))
      const [error] = (await failed) as [TokenError]
      expect(error.code).to.equal('ERR_TOKEN_TOO_LARGE')
      expect(tokens).to.deep.equal(['abcd'])
    })
  })

  describe('written', () => {
    it('sends each chunk as one token, and end() flushes and closes', async () => {
      const { connection, peer } = connectionAndPeer()
      const stream = connection.stream()
      stream.write(Buffer.from('a'))
      stream.write(Buffer.alloc(0))
      stream.end(Buffer.from('b'))
      const received = bytesOf(peer)
      peer.end()
      stream.resume()
      await finished(stream)
      expect(await received).to.deep.equal(frames('a', '', 'b'))
      expect((await connection.closed).code).to.equal('normal')
    })

    it('waits for `drain` of the connection', async () => {
      const { connection, peer } = connectionAndPeer({ highWaterMark: 1 })
      const stream = connection.stream().on('error', () => {})
      let isDone = false
      stream.write(Buffer.from('a'), () => {
        isDone = true
      })
      expect(connection.writableNeedDrain).to.equal(true)
      expect(isDone).to.equal(false)
      peer.resume()
      await once(connection, 'drain')
      await settled()
      expect(isDone).to.equal(true)
    })

    it('waits when the outbox is full of what others sent, and loses nothing', async () => {
      const options = { maxTokenLength: 10, outboxBytes: 20, highWaterMark: 1000 }
      const { connection, peer } = connectionAndPeer(options)
      const stream = connection.stream().on('error', () => {})
      while (connection.send(Buffer.from('x')));
      const written = new Promise<void>((resolve, reject) => {
        stream.write(Buffer.from('0123456789'), error => (error ? reject(error) : resolve()))
      })
      await settled()
      const [chunks] = await Promise.all([bytesOf(peer), written.then(() => void connection.close())])
      expect(chunks).to.deep.equal(frames('x', 'x', 'x', 'x', '0123456789'))
    })

    it('refuses what is no token by its error', async () => {
      for (const [chunk, code] of [
        ['text', 'ERR_TOKEN_TYPE'],
        [Buffer.alloc(9), 'ERR_TOKEN_TOO_LARGE']
      ] as const) {
        const { connection } = connectionAndPeer({ maxTokenLength: 8 })
        const stream = connection.stream()
        const failed = once(stream, 'error')
        stream.write(chunk)
        const [error] = (await failed) as [TokenError]
        expect(error.code).to.equal(code)
        expect((await connection.closed).code).to.equal('ERR_ABORTED')
      }
    })

    it('fails with ERR_NOT_SENT on a connection that is dead', async () => {
      const { connection, peer } = connectionAndPeer()
      const stream = connection.stream()
      connection.close()
      const failed = once(stream, 'error')
      stream.write(Buffer.from('a'))
      const [error] = (await failed) as [TokenError]
      expect(error.code).to.equal('ERR_NOT_SENT')
      peer.resume()
    })

    it('fails when the connection is cut while it waits for `drain`', async () => {
      const connection = new Connection(new HeldDuplex(), { highWaterMark: 1 })
      const stream = connection.stream().on('error', () => {})
      const failed = new Promise<Error | null | undefined>(resolve => stream.write(Buffer.from('a'), resolve))
      connection.destroy()
      expect(((await failed) as TokenError).code).to.equal('ERR_ABORTED')
    })

    it('succeeds when the stream is destroyed itself meanwhile, for the token was taken; a late `drain` does no harm', async () => {
      const socket = new HeldDuplex()
      const connection = new Connection(socket, { highWaterMark: 1 })
      const stream = connection.stream()
      const written = new Promise<Error | null | undefined>(resolve =>
        stream.write(Buffer.from('a'), resolve)
      )
      stream.destroy()
      expect(await written).to.equal(null)
      expect(socket.written).to.deep.equal([frames('a')])
      await connection.closed
      connection.emit('drain')
    })

    it('fails with ERR_NOT_SENT when the stream is destroyed while the outbox is full', async () => {
      const connection = new Connection(new HeldDuplex(), { maxTokenLength: 10, outboxBytes: 20 })
      const stream = connection.stream()
      while (connection.send(Buffer.from('x')));
      const failed = new Promise<Error | null | undefined>(resolve => stream.write(Buffer.from('a'), resolve))
      stream.destroy()
      expect(((await failed) as TokenError).code).to.equal('ERR_NOT_SENT')
    })
  })

  describe('over token/2', () => {
    afterEach(destroyTransports)

    for (const isRead of [false, true]) {
      it(`a token that was ${isRead ? '' : 'not '}read out of it when the connection breaks is ${isRead ? '' : 'not '}in the final count`, async () => {
        const peer = await greeted('server')
        const stream = peer.connection.stream().on('error', () => {})
        const read: string[] = []
        if (isRead) stream.on('data', token => read.push(String(token)))
        else stream.read(0)
        await peer.say('a')
        expect(stream.readableLength).to.equal(isRead ? 0 : 1)
        // A control frame of no length.
        await peer.say(Buffer.from('80000000', 'hex'))
        expect(peer.frames()).to.deep.equal([
          { type: 'close', code: 0x0401, handed: isRead ? 1 : 0, reason: '' }
        ])
        stream.on('data', token => read.push(String(token))).resume()
        await settled()
        expect(read).to.deep.equal(isRead ? ['a'] : [])
      })
    }

    it('a token that this side counted when it closed can be read, also when the connection breaks before the end', async () => {
      const peer = await greeted('client')
      const stream = peer.connection.stream()
      const failed = once(stream, 'error')
      stream.read(0)
      await peer.say('a')
      peer.connection.close()
      await settled()
      expect(peer.frames()).to.deep.equal([{ type: 'close', code: 0, handed: 1, reason: '' }])
      peer.link.cut()
      await peer.connection.closed
      await settled()
      expect(stream.destroyed).to.equal(false)
      expect(String(stream.read())).to.equal('a')
      const [error] = (await failed) as [TokenError]
      expect(error.code).to.equal('ERR_SOCKET')
    })

    it('a write that comes too late while a token was not read breaks it, so that no count covers that token', async () => {
      const peer = await greeted('client', undefined, undefined, { receiveWindow: 1 })
      const stream = peer.connection.stream().on('error', () => {})
      for (const token of ['takes the credit', 'waits for credit']) peer.connection.send(Buffer.from(token))
      stream.read(0)
      await peer.say('a')
      peer.connection.close()
      stream.write(Buffer.from('too late'))
      expect((await peer.connection.closed).code).to.equal('ERR_ABORTED')
      expect(peer.frames(true).filter(frame => typeof frame === 'object' && 'handed' in frame)).to.deep.equal(
        []
      )
    })

    for (const isFull of [false, true]) {
      it(`a write that waits for ${isFull ? 'room in the outbox' : 'drain'} when a session is closed between two transports is told so`, async () => {
        const pair = await SessionPair.open({
          client: { maxTokenLength: 10, outboxBytes: 28, highWaterMark: 1 }
        })
        const { client } = pair
        const stream = client.stream().on('error', () => {})
        await pair.cut()
        while (isFull && client.send(Buffer.from('waits')));
        const written = new Promise<Error | null | undefined>(resolve =>
          stream.write(Buffer.from('a'), resolve)
        )
        client.close()
        expect(await client.closed).to.include({ code: 'normal', unsent: isFull ? 3 : 1 })
        const error = (await written) as TokenError | null
        expect(error?.code).to.equal(isFull ? 'ERR_NOT_SENT' : undefined)
        await pair.destroy()
      })
    }

    it('a write that comes too late does not break a connection that is closing in order', async () => {
      const peer = await greeted('client')
      const stream = peer.connection.stream().on('error', () => {})
      stream.write(Buffer.from('a'))
      peer.connection.close()
      stream.write(Buffer.from('b'))
      await peer.say(close(0, 1))
      expect(peer.frames()).to.deep.equal(['a', { type: 'close', code: 0, handed: 0, reason: '' }])
      peer.socket.end()
      expect((await peer.connection.closed).code).to.equal('normal')
    })
  })

  describe('destroyed', () => {
    it('destroys the connection, without an error of its own', async () => {
      const { connection } = connectionAndPeer()
      const stream = connection.stream()
      stream.destroy()
      const info = await connection.closed
      expect(info.code).to.equal('ERR_ABORTED')
      expect(stream.errored).to.equal(null)
    })

    it('leaves the tokens it did not take to the next consumer', async () => {
      const { connection, peer } = connectionAndPeer()
      peer.write(frames('a', 'b'))
      await settled()
      connection.stream().destroy()
      await connection.closed
      const iterator = connection[Symbol.asyncIterator]()
      expect(String((await iterator.next()).value)).to.equal('a')
    })
  })

  describe('in a pipeline', () => {
    it('echoes through an async Transform and loses nothing when the peer half-closes', async () => {
      const [socket, peerSocket] = await socketPair()
      const connection = new Connection(socket)
      const peer = new Connection(peerSocket)
      const stream = connection.stream()
      const echoed = pipeline(stream, slowly(), stream)
      const count = 300
      for (let i = 0; i < count; i++) peer.send(pattern(i, i))
      const received = tokensOf(peer, count)
      peer.close()
      const tokens = await received
      await echoed
      expect((await connection.closed).code).to.equal('normal')
      tokens.forEach((token, i) => {
        if (!token.equals(Buffer.concat([Buffer.from('re '), pattern(i, i)])))
          throw new Error(`token ${i} differs`)
      })
    })

    it('may write its first answer long after the peer half-closed', async () => {
      const { connection, peer } = connectionAndPeer()
      const stream = connection.stream()
      peer.end(frames('a', 'b'))
      const received = bytesOf(peer)
      // Not `pipeline(stream, generator, stream)`: Node then destroys a Duplex at the end of its readable side.
      for await (const token of stream.iterator({ destroyOnReturn: false })) {
        await settled()
        stream.write(Buffer.concat([Buffer.from('re '), token]))
      }
      stream.end()
      expect(await received).to.deep.equal(frames('re a', 're b'))
      expect((await connection.closed).code).to.equal('normal')
    })

    it('under backpressure echoes megabytes', async () => {
      const [socket, peerSocket] = await socketPair()
      const connection = new Connection(socket)
      const peer = new Connection(peerSocket)
      const stream = connection.stream()
      const echoed = pipeline(stream, stream)
      const tokens = Array.from({ length: 64 }, (_, i) => pattern(100_000 + i, i))
      for (const token of tokens) peer.send(token)
      const received = await tokensOf(peer, tokens.length)
      expect(received.every((token, i) => token.equals(tokens[i] as Buffer))).to.equal(true)
      peer.close()
      await echoed
    })

    it('rejects when the connection breaks while tokens are unread and a write waits', async () => {
      const socket = new HeldDuplex()
      const connection = new Connection(socket, { highWaterMark: 1 })
      const stream = connection.stream()
      const echoed = pipeline(stream, stream)
      // The peer reads nothing, so the echo of the first token waits and the others stay unread.
      socket.push(frames('a', 'b', 'c', 'd', 'e'))
      await settled()
      expect(connection.writableNeedDrain).to.equal(true)
      expect(connection.tokensReceived).to.be.below(5)
      connection.socket.destroy(new Error('reset'))
      const error = await rejection(echoed)
      expect(error.code).to.equal('ERR_SOCKET')
    })

    it('gives one that does not end its side closeTimeout after the peer has ended', async () => {
      const { connection, peer } = connectionAndPeer({ closeTimeout: 5 })
      const stream = connection.stream()
      stream.on('error', () => {})
      stream.resume()
      stream.write(Buffer.from('a'))
      peer.end()
      peer.resume()
      expect((await awake(connection.closed)).code).to.equal('ERR_CLOSE_TIMEOUT')
    })

    it('between two connections relays both ways', async () => {
      const [a, left] = connectionPair()
      const [right, b] = connectionPair()
      const streams = [left.stream(), right.stream()] as const
      const relay = Promise.all([pipeline(streams[0], streams[1]), pipeline(streams[1], streams[0])])
      a.send(Buffer.from('there'))
      b.send(Buffer.from('back'))
      expect((await tokensOf(b, 1)).map(String)).to.deep.equal(['there'])
      expect((await tokensOf(a, 1)).map(String)).to.deep.equal(['back'])
      a.close()
      await relay
      const infos = await Promise.all([a, left, right, b].map(connection => connection.closed))
      expect(infos.map(info => info.code)).to.deep.equal(['normal', 'normal', 'normal', 'normal'])
    })
  })

  describe('beside other consumers', () => {
    it('is refused, and refuses them', () => {
      const one = connectionAndPeer().connection
      one.stream().on('error', () => {})
      expect(() => one.stream())
        .to.throw()
        .with.property('code', 'ERR_CONSUMER')
      expect(() => one[Symbol.asyncIterator]())
        .to.throw()
        .with.property('code', 'ERR_CONSUMER')
      expect(() => one.on('token', () => {}))
        .to.throw()
        .with.property('code', 'ERR_CONSUMER')
      expect(one.listenerCount('token')).to.equal(0)
      const other = connectionAndPeer().connection
      other.on('token', () => {})
      expect(() => other.stream())
        .to.throw()
        .with.property('code', 'ERR_CONSUMER')
      expect(() => other[Symbol.asyncIterator]())
        .to.throw()
        .with.property('code', 'ERR_CONSUMER')
      other.removeAllListeners('token')
      other.stream().on('error', () => {})
    })
  })
})
