import { expect } from 'chai'
import { Outbox } from '../../lib/client/outbox'
import type { Connection } from '../../lib/connection/connection'
import type { TokenError } from '../../lib/errors/token-error'
import type { FakeClock } from '../../lib/testing'
import { pattern } from '../helpers/bytes'
import { usesFakeClock } from '../helpers/fake-clock'
import { settled } from '../helpers/moments'
import { destroyTransports, openPair } from '../helpers/token-2'
import { walkedDuring } from '../helpers/walked'

describe('Outbox', () => {
  let clock: FakeClock

  afterEach(destroyTransports)

  usesFakeClock(made => {
    clock = made
  })

  function add(outbox: Outbox, ...texts: string[]): boolean[] {
    return texts.map(text => outbox.add(Buffer.from(text)))
  }

  /** The fates of tokens, into an array that fills. */
  function fates(outbox: Outbox) {
    const told: string[] = []
    const deliver = (text: string, options = {}) =>
      outbox.deliver(Buffer.from(text), options, false).then(
        () => void told.push(`${text} handed`),
        (error: TokenError) => void told.push(`${text} ${error.code}`)
      )
    return { told, deliver }
  }

  function tokensAt(connection: Connection): string[] {
    const tokens: string[] = []
    connection.on('token', token => tokens.push(String(token)))
    return tokens
  }

  it('takes up to its last byte, 4 for each token included, then nothing', () => {
    const outbox = new Outbox(14)
    expect(add(outbox, 'abcde', '', 'a', '')).to.deep.equal([true, true, false, false])
    expect(outbox.bytes).to.equal(13)
  })

  it('sends what waits on a connection, in order, and is empty then', async () => {
    const { client, server } = await openPair()
    const tokens = tokensAt(server)
    const outbox = new Outbox(1000)
    const { told, deliver } = fates(outbox)
    add(outbox, 'a')
    void deliver('b')
    add(outbox, 'c')
    expect(outbox.flush(client)).to.deep.equal([])
    await settled()
    expect([tokens, told, outbox.bytes]).to.deep.equal([['a', 'b', 'c'], ['b handed'], 0])
  })

  it('puts what a lost connection had not sent before the rest', async () => {
    const { client, server } = await openPair()
    const tokens = tokensAt(server)
    const outbox = new Outbox(1000)
    add(outbox, 'c')
    outbox.putBack(['a', 'b'].map(text => ({ token: Buffer.from(text), length: 1, delivery: null })))
    expect(outbox.bytes).to.equal(15)
    expect(outbox.flush(client)).to.deep.equal([])
    await settled()
    expect(tokens).to.deep.equal(['a', 'b', 'c'])
  })

  it('takes back as many tokens as there may be', () => {
    const outbox = new Outbox(10_000_000)
    outbox.putBack(Array(300_000).fill({ token: Buffer.alloc(0), length: 0, delivery: null }))
    expect([outbox.bytes, outbox.clear(null, true)]).to.deep.equal([1_200_000, 300_000])
  })

  it('tells of tokens that are longer than the peer takes, and rejects those that were delivered', async () => {
    const { client, server } = await openPair({ server: { maxTokenLength: 3 } })
    const tokens = tokensAt(server)
    const outbox = new Outbox(1000)
    const { told, deliver } = fates(outbox)
    add(outbox, 'a', 'long')
    void deliver('longer')
    add(outbox, 'b')
    const tooLong = outbox.flush(client).map(String)
    await settled()
    expect([tokens, tooLong, told]).to.deep.equal([['a', 'b'], ['long'], ['longer ERR_TOKEN_TOO_LARGE']])
  })

  it('keeps for later what does not fit in the queue of the connection, in order', async () => {
    const { client, server } = await openPair({ server: { receiveWindow: 1 } })
    const outbox = new Outbox(60)
    for (let i = 0; i < 5; i++) client.send(pattern(6))
    await settled()
    expect(client.bufferedAmount).to.equal(40)
    add(outbox, '111111', '222222', '333333')
    expect(outbox.flush(client)).to.deep.equal([])
    expect([client.bufferedAmount, outbox.bytes]).to.deep.equal([60, 10])
    const tokens = tokensAt(server)
    await clock.settle()
    await settled()
    expect(outbox.flush(client)).to.deep.equal([])
    while (tokens.length < 8) await settled()
    expect([tokens.slice(5), outbox.bytes]).to.deep.equal([['111111', '222222', '333333'], 0])
  })

  it('keeps the order when it is filled and flushed while it is flushed', async () => {
    const { client, server } = await openPair()
    const tokens = tokensAt(server)
    const outbox = new Outbox(1000)
    const send = client.send.bind(client)
    let more = 4
    client.send = token => {
      const isTaken = send(token)
      if (more > 0) {
        add(outbox, `${8 - more--}`)
        outbox.flush(client)
      }
      return isTaken
    }
    add(outbox, '1', '2', '3')
    outbox.flush(client)
    await settled()
    expect(outbox.bytes).to.equal(0)
    expect(tokens).to.deep.equal(['1', '2', '3', '4', '5', '6', '7'])
    expect(add(outbox, 'x'.repeat(996))).to.deep.equal([true])
  })

  it('keeps everything when the connection is dead', async () => {
    const { client } = await openPair()
    client.destroy()
    const outbox = new Outbox(100)
    add(outbox, 'a', 'b')
    expect(outbox.flush(client)).to.deep.equal([])
    expect(outbox.bytes).to.equal(10)
  })

  describe('a delivery that waits', () => {
    it('is not sent when the outbox is full', async () => {
      const outbox = new Outbox(4)
      const { told, deliver } = fates(outbox)
      await deliver('a')
      expect([told, outbox.bytes]).to.deep.equal([['a ERR_NOT_SENT'], 0])
    })

    it('is taken back when its signal aborts', async () => {
      const outbox = new Outbox(100)
      const { told, deliver } = fates(outbox)
      const controller = new AbortController()
      void deliver('a', { signal: controller.signal })
      add(outbox, 'b')
      controller.abort()
      await settled()
      expect([told, outbox.bytes]).to.deep.equal([['a ERR_NOT_SENT'], 5])
    })

    it('is not taken when its signal has aborted before', async () => {
      const outbox = new Outbox(100)
      const { told, deliver } = fates(outbox)
      void deliver('a', { signal: AbortSignal.abort() })
      await settled()
      expect([told, outbox.bytes]).to.deep.equal([['a ERR_NOT_SENT'], 0])
    })

    it('is taken back when its time has passed', async () => {
      const outbox = new Outbox(100)
      const { told, deliver } = fates(outbox)
      void deliver('a', { timeout: 100 })
      await clock.elapse(99)
      expect(told).to.deep.equal([])
      await clock.elapse(1)
      await settled()
      expect([told, outbox.bytes]).to.deep.equal([['a ERR_NOT_SENT'], 0])
    })

    it('has what is left of its time on the connection', async () => {
      const { client } = await openPair({ both: { heartbeat: 0 } })
      const outbox = new Outbox(100)
      const { told, deliver } = fates(outbox)
      void deliver('a', { timeout: 100 })
      void deliver('b', { timeout: 0 })
      void deliver('c', { timeout: Infinity })
      await clock.elapse(60)
      expect(outbox.flush(client)).to.deep.equal([])
      await clock.elapse(39)
      expect(told).to.deep.equal([])
      await clock.elapse(1)
      await settled()
      expect(told).to.deep.equal(['a ERR_FATE_UNKNOWN'])
      await clock.elapse(1_000_000)
      expect(told).to.have.length(1)
    })

    it('is not sent when all is given up', async () => {
      const outbox = new Outbox(100)
      const { told, deliver } = fates(outbox)
      void deliver('a')
      add(outbox, 'b')
      expect([outbox.clear(null, true), outbox.bytes]).to.deep.equal([2, 0])
      await settled()
      expect(told).to.deep.equal(['a ERR_NOT_SENT'])
    })
  })

  it('sends no token that has lost its memory in another form, and counts what was counted', async () => {
    const { client, server } = await openPair()
    const tokens = tokensAt(server)
    const outbox = new Outbox(1000)
    const lost = [new Uint8Array(10), new Uint8Array(20)] as const
    add(outbox, 'a')
    outbox.add(lost[0])
    const fate = outbox.deliver(lost[1], {}, false).catch((error: TokenError) => error)
    add(outbox, 'b')
    for (const { buffer } of lost) structuredClone(buffer, { transfer: [buffer] })
    expect(outbox.bytes).to.equal(48)
    expect(outbox.flush(client)).to.deep.equal([lost[0]])
    await settled()
    const error = (await fate) as TokenError
    expect([error.code, (error.cause as TokenError).code]).to.deep.equal(['ERR_NOT_SENT', 'ERR_DETACHED'])
    expect([tokens, outbox.bytes, client.isOpen]).to.deep.equal([['a', 'b'], 0, true])
  })

  it('gives up one of many at the cost of one alone', async () => {
    const MANY = 3_000
    const outbox = new Outbox(10_000_000)
    const signals = Array.from({ length: 100 }, () => new AbortController())
    const codes = Array.from({ length: MANY }, (_, index) =>
      outbox
        .deliver(Buffer.alloc(10), { signal: signals[(index * 7919) % 100]?.signal }, false)
        .catch((error: TokenError) => error.code)
    )
    add(outbox, 'last')
    const walked = await walkedDuring(async () => {
      for (const signal of signals) signal.abort()
      await Promise.all(codes)
    })
    expect(walked).to.be.below(10 * MANY)
    expect(new Set(await Promise.all(codes))).to.deep.equal(new Set(['ERR_NOT_SENT']))
    expect([outbox.bytes, outbox.clear(null, true)]).to.deep.equal([8, 1])
  })
})
