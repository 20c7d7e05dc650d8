import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import type { TokenError } from '../../lib'
import { Connection, type ConnectionContext } from '../../lib/connection/connection'
import type { ConnectionOptions } from '../../lib/options/connection-options'
import type { AuthorizeAnswer } from '../../lib/protocol/authorization'
import type { FakeClock } from '../../lib/testing'
import { bytes, frame, frames, pattern } from '../helpers/bytes'
import { usesFakeClock } from '../helpers/fake-clock'
import { bytesOf, settled } from '../helpers/moments'
import { destroyPairs, memoryPair } from '../helpers/pairs'

const KIB = 1024

function open(options?: ConnectionOptions, context?: ConnectionContext) {
  const [socket, peer] = memoryPair()
  const connection = new Connection(socket, options, context)
  const log: string[] = []
  connection.on('open', () => log.push('open'))
  connection.on('close', (_hadError, info) => log.push(info.code))
  return { connection, socket, peer, log }
}

function listen(connection: Connection): string[] {
  const tokens: string[] = []
  connection.on('token', token => tokens.push(String(token)))
  return tokens
}

/** Writes one chunk after the other, each in a turn of its own. */
async function writeEach(peer: Duplex, chunks: Buffer[]): Promise<void> {
  for (const chunk of chunks) {
    peer.write(chunk)
    await settled()
  }
}

describe('token/1', () => {
  let clock: FakeClock

  afterEach(async () => {
    await destroyPairs()
  })

  usesFakeClock(made => {
    clock = made
  })

  describe('reading ahead', () => {
    it('reads 64 KiB ahead of a consumer and no more', async () => {
      const { connection, socket, peer } = open()
      const chunk = frame(pattern(16 * KIB - 4))
      for (let i = 0; i < 8; i++) peer.write(chunk)
      await settled()
      expect([connection.unreadBytes, socket.isPaused()]).to.deep.equal([64 * KIB, true])
    })

    it('reads 64 KiB ahead also of the smallest tokens', async () => {
      const { connection, socket, peer } = open()
      const chunk = frames(...Array(100).fill('x'))
      await writeEach(peer, Array(140).fill(chunk))
      expect([connection.unreadBytes, socket.isPaused()]).to.deep.equal([132 * 500, true])
    })

    it('leaves what comes behind that with the peer, chunk by chunk, and does not have Node collect chunks', async () => {
      const { connection, socket, peer } = open()
      peer.write(frame(pattern(64 * KIB)))
      await settled()
      for (let i = 0; i < 100; i++) peer.write('x')
      await settled()
      expect([socket.isPaused(), socket.readableLength]).to.deep.equal([true, 1])
      const closed = connection.closed
      connection.close()
      peer.resume().end()
      expect((await closed).undeliveredBytes).to.equal(64 * KIB + 4 + 100)
    })

    it('goes on when someone takes what was read', async () => {
      const { connection, socket, peer } = open()
      const chunk = frame(pattern(16 * KIB - 4))
      for (let i = 0; i < 8; i++) peer.write(chunk)
      await settled()
      const tokens = listen(connection)
      await settled()
      expect([tokens.length, connection.unreadBytes, socket.isPaused()]).to.deep.equal([8, 0, false])
    })

    it('stops under an iterator that does not ask, and goes on when it does', async () => {
      const { connection, socket, peer } = open()
      const iterator = connection[Symbol.asyncIterator]()
      const chunk = frame(pattern(16 * KIB - 4))
      for (let i = 0; i < 8; i++) peer.write(chunk)
      await settled()
      expect(socket.isPaused()).to.equal(true)
      for (let i = 0; i < 8; i++) await iterator.next()
      await settled()
      expect([connection.unreadBytes, socket.isPaused()]).to.deep.equal([0, false])
    })

    it('sees an end behind what was read ahead, but not behind more', async () => {
      const few = open({ closeTimeout: 1000 })
      few.peer.end(frames('a'))
      const many = open({ closeTimeout: 1000 })
      many.peer.write(frame(pattern(100 * KIB)))
      many.peer.write(frame('b'))
      many.peer.end()
      await clock.elapse(1000)
      await settled()
      expect([few.log, many.log]).to.deep.equal([['open', 'ERR_CLOSE_TIMEOUT'], ['open']])
    })

    it('ends when the connection closes: what nobody takes is thrown away', async () => {
      const { connection, socket, peer } = open()
      for (let i = 0; i < 8; i++) peer.write(frame(pattern(16 * KIB - 4)))
      await settled()
      expect(socket.isPaused()).to.equal(true)
      connection.close()
      peer.resume().end()
      const info = await connection.closed
      expect([info.code, info.undeliveredBytes]).to.deep.equal(['normal', 128 * KIB])
    })
  })

  describe('frameTimeout', () => {
    for (const begun of ['00', '00 00 00 05', '00 00 00 05 61']) {
      it(`cuts a peer that begins a frame with ${begun} and does not go on`, async () => {
        const { connection, peer, log } = open({ frameTimeout: 1000 })
        listen(connection)
        peer.write(bytes(begun))
        await clock.elapse(999)
        expect(log).to.deep.equal(['open'])
        await clock.elapse(1)
        const info = await connection.closed
        expect(info.error?.message).to.equal(
          'Cannot read a token: the peer began it and sent 0 bytes in one frameTimeout, at least 4096 are demanded'
        )
      })
    }

    it('frameTimeout is not put off by a byte now and then', async () => {
      const { connection, peer, log } = open({ frameTimeout: 1000 })
      listen(connection)
      peer.write(bytes('00 00 01 00'))
      for (let i = 0; i < 10; i++) {
        await clock.elapse(100)
        peer.write(bytes('00'))
        await settled()
      }
      expect(log).to.deep.equal(['open', 'ERR_FRAME_TIMEOUT'])
    })

    it('frameTimeout is put off by 4 KiB in each frameTimeout', async () => {
      const { connection, peer, log } = open({ frameTimeout: 1000 })
      const tokens = listen(connection)
      const token = pattern(64 * KIB)
      const chunk = frame(token)
      peer.write(chunk.subarray(0, 4))
      for (let at = 4; at < chunk.length; at += 4 * KIB) {
        await clock.elapse(900)
        peer.write(chunk.subarray(at, at + 4 * KIB))
        await settled()
      }
      expect([log, tokens.length]).to.deep.equal([['open'], 1])
    })

    it('frameTimeout is not put off by less than 4 KiB', async () => {
      const { connection, peer, log } = open({ frameTimeout: 1000 })
      listen(connection)
      const chunk = frame(pattern(64 * KIB))
      peer.write(chunk.subarray(0, 4))
      await settled()
      peer.write(chunk.subarray(4, 4 + 4095))
      await clock.elapse(1000)
      await settled()
      expect(log).to.deep.equal(['open', 'ERR_FRAME_TIMEOUT'])
    })

    it('counts anew with each completed token', async () => {
      const { connection, peer, log } = open({ frameTimeout: 1000 })
      const tokens = listen(connection)
      const chunk = frame('xy')
      // Always in the middle of a frame, for several timeouts.
      peer.write(chunk.subarray(0, 3))
      for (let i = 0; i < 20; i++) {
        await clock.elapse(900)
        peer.write(Buffer.concat([chunk.subarray(3), chunk.subarray(0, 3)]))
        await settled()
      }
      expect([log, tokens]).to.deep.equal([['open'], Array(20).fill('xy')])
    })

    it('does not count between frames', async () => {
      const { connection, peer, log } = open({ frameTimeout: 1000 })
      listen(connection)
      peer.write(frames('a'))
      await clock.elapse(10_000)
      expect(log).to.deep.equal(['open'])
    })

    it('does not count while a consumer wants nothing', async () => {
      const { connection, peer, log } = open({ frameTimeout: 1000 })
      const iterator = connection[Symbol.asyncIterator]()
      peer.write(Buffer.concat([frame('a'), bytes('00 00 00 05 61')]))
      await clock.elapse(10_000)
      expect(log).to.deep.equal(['open'])
      expect(String((await iterator.next()).value)).to.equal('a')
      const next = iterator.next().catch((error: { code: string }) => error.code)
      await clock.elapse(1000)
      expect(await next).to.equal('ERR_FRAME_TIMEOUT')
    })

    it('does not count while what comes is thrown away', async () => {
      const { connection, peer, log } = open({ frameTimeout: 1000, closeTimeout: 60_000 })
      peer.resume().write(bytes('00'))
      await settled()
      connection.close()
      await clock.elapse(10_000)
      expect(log).to.deep.equal(['open'])
    })

    it('leaves no timer behind when the connection has closed', async () => {
      const { connection, peer } = open({ frameTimeout: 1000 })
      listen(connection)
      peer.write(bytes('00'))
      await settled()
      connection.destroy()
      await connection.closed
      expect(clock.pending).to.equal(0)
    })
  })

  describe('a silent peer', () => {
    it('is not blamed by idleTimeout while this side does not read', async () => {
      const { connection, peer, log } = open({ idleTimeout: 1000 })
      peer.write(frame(pattern(100 * KIB)))
      peer.write(frames('more'))
      await clock.elapse(10_000)
      expect(log).to.deep.equal(['open'])
      const tokens = listen(connection)
      await settled()
      expect(tokens).to.have.length(2)
      await clock.elapse(999)
      expect(log).to.deep.equal(['open'])
      await clock.elapse(1)
      await settled()
      expect(log).to.deep.equal(['open', 'ERR_IDLE_TIMEOUT'])
    })
  })

  describe('authorize', () => {
    /** A server's side with an `authorize` that answers when the test says so. */
    function asked() {
      let answer: (answer: AuthorizeAnswer) => void = () => {}
      const answered = new Promise<AuthorizeAnswer>(resolve => {
        answer = resolve
      })
      return { ...open({}, { authorize: () => answered }), answer: (value: AuthorizeAnswer) => answer(value) }
    }

    it('is awaited before a token is handed out, and then all are', async () => {
      const { connection, peer, log, answer } = asked()
      const tokens = listen(connection)
      peer.write(frames('a', 'b'))
      await settled()
      expect([connection.isOpen, tokens, log]).to.deep.equal([false, [], []])
      answer(true)
      await settled()
      expect([connection.isOpen, tokens, log]).to.deep.equal([true, ['a', 'b'], ['open']])
    })

    it('authorize that says no closes without a word', async () => {
      const { connection, peer, log, answer } = asked()
      const tokens = listen(connection)
      let received = 0
      peer.on('data', chunk => {
        received += chunk.length
      })
      peer.write(frames('a'))
      await settled()
      answer({ reason: 'not today' })
      const info = await connection.closed
      expect([info.code, info.error?.closeCode]).to.deep.equal(['ERR_REFUSED', 'refused'])
      expect(info.error?.message).to.equal('Cannot accept the peer: not today')
      expect([tokens, log, received]).to.deep.equal([[], ['ERR_REFUSED'], 0])
    })

    it('authorize that says yes after the peer has ended has the tokens handed out and answered', async () => {
      const { connection, peer, answer } = asked()
      connection.on('token', token => connection.send(Buffer.from(`re ${token}`)))
      const received = bytesOf(peer)
      peer.end(frames('a', 'b'))
      await settled()
      answer(true)
      expect((await connection.closed).code).to.equal('normal')
      expect(await received).to.deep.equal(frames('re a', 're b'))
    })

    it('authorize that is still asked when the peer goes leaves its tokens to nobody', async () => {
      const { connection, peer, log } = asked()
      const iterator = connection[Symbol.asyncIterator]()
      const next = iterator.next().catch((error: { code: string }) => error.code)
      peer.write(frames('a'))
      await settled()
      connection.socket.destroy()
      expect(await next).to.equal('ERR_SOCKET')
      expect(log).to.deep.equal(['ERR_SOCKET'])
    })
  })

  describe('what token/2 has more', () => {
    it('is refused by deliver(), request() and goaway() of token/1', async () => {
      const { connection } = open()
      const rejected = await connection
        .deliver(Buffer.from('a'))
        .catch((error: { code: string }) => error.code)
      expect(rejected).to.equal('ERR_PROTOCOL_REQUIRED')
      const request = await connection.request(Buffer.from('a')).catch((error: TokenError) => error)
      expect(`${request}`).to.contain(
        'Cannot use request(): it needs token/2, this connection speaks token/1'
      )
      expect(() => connection.goaway({ code: 'drain', retryAfter: 0, reason: '' }))
        .to.throw()
        .with.property('code', 'ERR_PROTOCOL_REQUIRED')
      expect([connection.tokensSent, connection.rtt]).to.deep.equal([0, null])
    })

    it('is missing: token/1 does not tell its peer why it broke', async () => {
      const { connection, peer } = open({ maxTokenLength: 2 })
      listen(connection)
      let received = 0
      peer.on('data', chunk => {
        received += chunk.length
      })
      peer.write(frames('abc'))
      expect((await connection.closed).code).to.equal('ERR_TOKEN_TOO_LARGE')
      await settled()
      expect(received).to.equal(0)
    })
  })
})
