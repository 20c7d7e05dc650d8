import { once } from 'node:events'
import { expect } from 'chai'
import { TokenError } from '../../lib/errors/token-error'
import type { Claim, Consumer } from '../../lib/receiving/consumer'
import { TokenIterator } from '../../lib/receiving/token-iterator'
import { frames } from '../helpers/bytes'
import { awake, bytesOf, settled, tokensOf } from '../helpers/moments'
import { connectionAndPeer, connectionPair, destroyPairs } from '../helpers/pairs'
import { rejection } from '../helpers/refusal'

const DONE = { done: true, value: undefined }

function open() {
  const log: string[] = []
  const claim: Claim = { pull: () => void log.push('pull'), release: () => void log.push('release') }
  let consumer: Consumer | undefined
  const iterator = new TokenIterator(it => {
    consumer = it
    return claim
  })
  return { iterator, consumer: consumer as Consumer, log }
}

describe('TokenIterator', () => {
  afterEach(destroyPairs)

  it('wants a token for each next() that waits', async () => {
    const { iterator, consumer, log } = open()
    expect(consumer.isWanting).to.equal(false)
    const first = iterator.next()
    const second = iterator.next()
    expect(log).to.deep.equal(['pull', 'pull'])
    consumer.accept(Buffer.from('a'))
    expect(consumer.isWanting).to.equal(true)
    consumer.accept(Buffer.from('b'))
    expect(consumer.isWanting).to.equal(false)
    expect([await first, await second].map(result => String(result.value))).to.deep.equal(['a', 'b'])
  })

  it('is busy from a token until the next is asked for', () => {
    const { iterator, consumer } = open()
    expect(consumer.isBusy).to.equal(false)
    void iterator.next()
    expect(consumer.isBusy).to.equal(false)
    consumer.accept(Buffer.from('a'))
    expect(consumer.isBusy).to.equal(true)
    void iterator.next()
    expect(consumer.isBusy).to.equal(false)
    expect(consumer.holdsOpen).to.equal(false)
  })

  it('ends every next() that waits, and each later one', async () => {
    const { iterator, consumer } = open()
    const waiting = [iterator.next(), iterator.next()]
    consumer.finish(null)
    expect(await Promise.all(waiting)).to.deep.equal([DONE, DONE])
    expect(await iterator.next()).to.deep.equal(DONE)
  })

  it('throws what broke the connection once, as a generator does', async () => {
    const { iterator, consumer } = open()
    const waiting = [iterator.next(), iterator.next()]
    const error = new TokenError('ERR_SOCKET', 'x')
    consumer.finish(error)
    consumer.finish(null)
    expect(await rejection(waiting[0] as Promise<unknown>)).to.equal(error)
    expect(await waiting[1]).to.deep.equal(DONE)
    expect(await iterator.next()).to.deep.equal(DONE)
  })

  it('throws it at the next next() when none waits', async () => {
    const { iterator, consumer } = open()
    const error = new TokenError('ERR_SOCKET', 'x')
    consumer.finish(error)
    expect(await rejection(iterator.next())).to.equal(error)
    expect(await iterator.next()).to.deep.equal(DONE)
  })

  it('return() while next() waits ends both and gives the connection back', async () => {
    const { iterator, log } = open()
    const waiting = iterator.next()
    expect(await iterator.return()).to.deep.equal(DONE)
    expect(await waiting).to.deep.equal(DONE)
    expect(await iterator.next()).to.deep.equal(DONE)
    expect(log).to.deep.equal(['pull', 'release'])
  })

  it('return() hushes an error that was not thrown yet', async () => {
    const { iterator, consumer } = open()
    consumer.finish(new TokenError('ERR_SOCKET', 'x'))
    await iterator.return()
    expect(await iterator.next()).to.deep.equal(DONE)
  })

  it('is its own iterator', () => {
    const { iterator } = open()
    expect(iterator[Symbol.asyncIterator]()).to.equal(iterator)
  })
})

describe('for await of a connection', () => {
  afterEach(destroyPairs)

  it('gets every token in order, those that came before it too, and ends with the peer', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.write(frames('early'))
    await settled()
    peer.end(frames('a', '', 'b'))
    const tokens: string[] = []
    for await (const token of connection) tokens.push(String(token))
    expect(tokens).to.deep.equal(['early', 'a', '', 'b'])
    peer.resume()
    expect((await connection.closed).code).to.equal('normal')
  })

  it('counts a token as received when it was handed to the loop', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.write(frames('a', 'b'))
    await settled()
    expect(connection.tokensReceived).to.equal(0)
    const iterator = connection[Symbol.asyncIterator]()
    await iterator.next()
    expect(connection.tokensReceived).to.equal(1)
  })

  it('is left with the rest of the tokens for who comes next, and does not close', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.write(frames('a', 'b', 'c', 'd'))
    for await (const token of connection) {
      if (String(token) === 'a') break
    }
    for await (const token of connection) {
      expect(String(token)).to.equal('b')
      break
    }
    const rest = await tokensOf(connection, 2)
    expect(rest.map(String)).to.deep.equal(['c', 'd'])
    expect(connection.isDead).to.equal(false)
  })

  it('left by an exception gives the tokens back too', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.write(frames('a', 'b'))
    const loop = async () => {
      for await (const token of connection) throw new Error(`at ${token}`)
    }
    expect((await rejection(loop())).message).to.equal('at a')
    expect((await tokensOf(connection, 1)).map(String)).to.deep.equal(['b'])
  })

  it('answers the last token although the peer has ended meanwhile', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.end(frames('a', 'b'))
    const answers = bytesOf(peer)
    for await (const token of connection) {
      await settled()
      expect(connection.send(Buffer.from(`re ${token}`))).to.equal(true)
    }
    expect(await answers).to.deep.equal(frames('re a', 're b'))
    expect((await connection.closed).hadError).to.equal(false)
  })

  it('left after the last token of a peer that has ended lets the connection end', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.end(frames('a'))
    peer.resume()
    for await (const _token of connection) {
      await settled()
      break
    }
    expect((await connection.closed).code).to.equal('normal')
  })

  it('throws what broke the connection, after the tokens before it', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.write(Buffer.concat([frames('a', 'b'), Buffer.from('ffffffff0000', 'hex')]))
    const tokens: string[] = []
    const loop = async () => {
      for await (const token of connection) tokens.push(String(token))
    }
    expect((await rejection(loop())).code).to.equal('ERR_CONTROL_FRAME')
    expect(tokens).to.deep.equal(['a', 'b'])
    expect((await connection.closed).code).to.equal('ERR_CONTROL_FRAME')
  })

  it('still gets what had arrived whole when the connection is gone', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.write(frames('a', 'b'))
    await settled()
    connection.destroy()
    await connection.closed
    const tokens: string[] = []
    const loop = async () => {
      for await (const token of connection) tokens.push(String(token))
    }
    expect((await rejection(loop())).code).to.equal('ERR_ABORTED')
    expect(tokens).to.deep.equal(['a', 'b'])
  })

  it('ends, or throws the error again, when it begins after the close', async () => {
    const [a, b] = connectionPair()
    a.close()
    await a.closed
    for await (const _token of a) throw new Error('there is no token')
    await b.closed
    const { connection } = connectionAndPeer()
    connection.destroy()
    await connection.closed
    for (let i = 0; i < 2; i++) {
      const next = connection[Symbol.asyncIterator]().next()
      expect((await rejection(next)).code).to.equal('ERR_ABORTED')
    }
  })

  it('has no token, and does not hang, when it begins after close() has thrown tokens away', async () => {
    const { connection, peer } = connectionAndPeer()
    peer.write(frames('a'))
    await settled()
    connection.close()
    for await (const _token of connection) throw new Error('there is no token')
    peer.resume()
    peer.end()
    expect((await connection.closed).undeliveredBytes).to.equal(5)
  })

  it('may close the connection in its body, and be left', async () => {
    const { connection, peer } = connectionAndPeer({ closeTimeout: 2000 })
    const body = Buffer.alloc(40_000)
    for (let i = 0; i < 8; i++) peer.write(frames(body))
    peer.end()
    peer.resume()
    for await (const _token of connection) {
      connection.close()
      break
    }
    const info = await awake(connection.closed)
    expect(info.code).to.equal('normal')
    expect(info.undeliveredBytes).to.equal(7 * 40_004)
  })

  it('gets what still arrives after its own close()', async () => {
    const { connection, peer } = connectionAndPeer()
    const tokens: string[] = []
    peer.resume()
    peer.on('end', () => peer.end(frames('late')))
    peer.write(frames('first'))
    for await (const token of connection) {
      tokens.push(String(token))
      connection.close()
    }
    expect(tokens).to.deep.equal(['first', 'late'])
    expect((await connection.closed).code).to.equal('normal')
  })

  it('echoes thousands of tokens on both sides at once', async () => {
    const [a, b] = connectionPair()
    const echo = async () => {
      for await (const token of b) b.send(token)
    }
    const echoed = echo()
    const count = 5000
    for (let i = 0; i < count; i++) a.send(Buffer.from(String(i)))
    let next = 0
    for await (const token of a) {
      if (String(token) !== String(next++)) throw new Error(`${token} came instead of ${next - 1}`)
      if (next === count) a.close()
    }
    await echoed
    expect(next).to.equal(count)
  })

  it('two loops at once are refused, whoever came first stays', async () => {
    const { connection, peer } = connectionAndPeer()
    const iterator = connection[Symbol.asyncIterator]()
    expect(() => connection[Symbol.asyncIterator]())
      .to.throw()
      .with.property('code', 'ERR_CONSUMER')
    peer.write(frames('a'))
    expect(String((await iterator.next()).value)).to.equal('a')
  })

  it('keeps the rest with the peer while its body works', async () => {
    const { connection, peer } = connectionAndPeer()
    const iterator = connection[Symbol.asyncIterator]()
    const body = Buffer.alloc(30_000)
    const drained = once(peer, 'drain')
    for (let i = 0; i < 20; i++) peer.write(frames(body))
    await iterator.next()
    await settled()
    expect(peer.writableNeedDrain).to.equal(true)
    for (let i = 1; i < 20; i++) await iterator.next()
    await drained
  })
})
