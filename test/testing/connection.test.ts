import { expect } from 'chai'
import { Connection } from '../../lib/connection/connection'
import type { CloseInfo } from '../../lib/errors/close-info'
import type { ConnectionOptions } from '../../lib/options/connection-options'
import { type FakeClock, type Link, memoryPair } from '../../lib/testing'
import { frame, pattern } from '../helpers/bytes'
import { usesFakeClock } from '../helpers/fake-clock'

/** Two connections over a link, on a clock that is the library's as well until the test is over. */
describe('Connection over a memory pair', () => {
  let clock: FakeClock
  usesFakeClock(made => {
    clock = made
  })

  interface Side {
    readonly connection: Connection
    readonly tokens: Buffer[]
    readonly errors: unknown[]
    info: CloseInfo | null
  }

  function side(connection: Connection): Side {
    const side: Side = { connection, tokens: [], errors: [], info: null }
    connection.on('token', token => side.tokens.push(token))
    connection.on('error', error => side.errors.push(error.code))
    connection.on('close', (_hadError, info) => {
      side.info = info
    })
    return side
  }

  function pair(options?: ConnectionOptions, highWaterMark = 65_536): { a: Side; b: Side; link: Link } {
    const { a, b, link } = memoryPair({ highWaterMark })
    return { a: side(new Connection(a, options)), b: side(new Connection(b, options)), link }
  }

  const cast = ['', 'hello', pattern(300), pattern(70_000, 3), '', pattern(1)].map(token =>
    Buffer.from(token as Buffer)
  )

  for (const [how, spoil] of [
    ['as written', () => {}],
    ['chopped into single bytes', link => link.chop(1)],
    ['chopped by chance', link => link.chop(5_000)],
    ['dribbled', link => link.dribble(997, 5)],
    ['delayed', link => link.delay(50, 100)],
    ['chopped, dribbled and delayed', link => [link.chop(4_096), link.dribble(2_048), link.delay(20, 30)]]
  ] as [string, (link: Link) => void][]) {
    it(`carries every token both ways, ${how}, and closes in order`, async () => {
      const { a, b, link } = pair()
      spoil(link)
      for (const token of cast) expect(a.connection.send(token) && b.connection.send(token)).to.equal(true)
      await clock.elapse(5_000)
      expect(a.tokens).to.deep.equal(cast)
      expect(b.tokens).to.deep.equal(cast)
      a.connection.close()
      await clock.elapse(5_000)
      expect([a.info?.code, b.info?.code]).to.deep.equal(['normal', 'normal'])
      expect(link.aToB.bytesPassed).to.equal(cast.reduce((sum, token) => sum + 4 + token.length, 0))
      expect(clock.pending).to.equal(0)
    })
  }

  it('cuts a peer that stalls in the middle of a frame after frameTimeout, and not before', async () => {
    const { a, b, link } = memoryPair()
    b.on('error', () => {})
    const { connection, errors } = side(new Connection(a, { frameTimeout: 30_000 }))
    b.write(frame('whole'))
    b.write(frame('hello').subarray(0, 6))
    await clock.settle()
    link.stall()
    b.write('llo')
    await clock.elapse(29_999)
    expect([connection.isDead, errors]).to.deep.equal([false, []])
    await clock.elapse(1)
    expect(errors).to.deep.equal(['ERR_FRAME_TIMEOUT'])
  })

  it('cuts a peer that dribbles less than 4 KiB in a frameTimeout, and bears one that dribbles more', async () => {
    for (const [bytes, expected] of [
      [100, ['ERR_FRAME_TIMEOUT']],
      [150, []]
    ] as const) {
      const { a, b, link } = memoryPair()
      b.on('error', () => {})
      const { errors, tokens } = side(new Connection(a, { frameTimeout: 30_000 }))
      link.dribble(bytes, 1_000)
      b.write(frame(pattern(20_000)))
      await clock.elapse(200_000)
      expect(errors, `${bytes} bytes a second`).to.deep.equal(expected)
      expect(tokens).to.have.length(1 - expected.length)
    }
  })

  it('destroys after closeTimeout when the peer has vanished', async () => {
    const { a, link } = pair({ closeTimeout: 10_000 })
    link.halfOpen()
    a.connection.send(Buffer.from('into the void'))
    a.connection.close()
    await clock.elapse(9_999)
    expect(a.info).to.equal(null)
    await clock.elapse(1)
    expect(a.info).to.include({ code: 'ERR_CLOSE_TIMEOUT', unsent: 0, unconfirmed: 1 })
  })

  it('is not told that the peer has vanished: only idleTimeout shows it in token/1', async () => {
    const { a, b, link } = pair({ idleTimeout: 60_000 })
    link.halfOpen()
    b.connection.destroy()
    await clock.elapse(59_999)
    expect(a.info).to.equal(null)
    await clock.elapse(1)
    expect(a.info?.code).to.equal('ERR_IDLE_TIMEOUT')
  })

  it('cuts a peer that takes nothing after writeTimeout, and says what was not sent', async () => {
    const { a, link } = pair({ writeTimeout: 60_000 }, 16_384)
    link.stall()
    for (let i = 0; i < 4; i++) a.connection.send(pattern(300_000, i))
    await clock.elapse(59_999)
    expect(a.info).to.equal(null)
    await clock.elapse(1)
    expect(a.errors).to.deep.equal(['ERR_WRITE_TIMEOUT'])
    expect((a.info as CloseInfo).unsent).to.be.greaterThan(0)
  })

  it('waits for a peer that stalls for less, and loses nothing', async () => {
    const { a, b, link } = pair({}, 16_384)
    link.stall()
    const tokens = Array.from({ length: 4 }, (_, i) => pattern(300_000, i))
    for (const token of tokens) a.connection.send(token)
    await clock.elapse(59_000)
    link.resume()
    await clock.settle()
    expect(b.tokens).to.deep.equal(tokens)
    expect([a.errors, b.errors]).to.deep.equal([[], []])
  })

  it('tells both sides of a cut, once', async () => {
    const { a, b, link } = pair()
    a.connection.send(Buffer.from('hello'))
    await clock.settle()
    link.cut()
    await clock.settle()
    for (const { errors, info } of [a, b]) {
      expect(errors).to.deep.equal(['ERR_SOCKET'])
      expect(info?.error?.cause).to.have.property('code', 'ECONNRESET')
    }
    expect(b.tokens).to.have.length(1)
  })

  it('calls a token truncated when the peer is destroyed in the middle of it', async () => {
    const { a, b, link } = pair({}, 1_000)
    link.aToB.stall()
    a.connection.send(pattern(5_000))
    await clock.settle()
    a.connection.destroy()
    link.resume()
    await clock.settle()
    expect(b.errors).to.deep.equal(['ERR_TRUNCATED'])
  })
})
