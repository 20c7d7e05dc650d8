import { expect } from 'chai'
import type { Connection, TokenError } from '../../lib'
import { settled } from '../helpers/moments'
import { connectionPair, destroyPairs } from '../helpers/pairs'
import { SessionPair, type SessionPairOptions } from '../helpers/session-pair'

/** A promise that the test settles by hand. */
class Job {
  readonly promise: Promise<Buffer | undefined>
  done!: (answer?: Buffer) => void
  fail!: (error: unknown) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.done = resolve
      this.fail = reject
    })
  }
}

/** A handler whose jobs the test settles one by one, by their token. */
class Jobs {
  readonly begun: string[] = []
  readonly #open = new Map<string, Job>()

  readonly handler = (token: Buffer): Promise<Buffer | undefined> => {
    const job = new Job()
    this.begun.push(`${token}`)
    this.#open.set(`${token}`, job)
    return job.promise
  }

  async done(name: string, answer?: string): Promise<void> {
    this.#open.get(name)?.done(answer === undefined ? undefined : Buffer.from(answer))
    await settled()
  }

  async fail(name: string, error: unknown): Promise<void> {
    this.#open.get(name)?.fail(error)
    await settled()
  }
}

/** What became of promises, in the order in which it was told. */
function fates(connection: Connection) {
  const told: string[] = []
  const note = (name: string, fate: Promise<unknown>) =>
    fate.then(
      answer => told.push(answer === undefined ? `${name} done` : `${name}: ${answer}`),
      (error: TokenError) => told.push(`${name} ${error.code}`)
    )
  return {
    told,
    deliver: (text: string) => note(text, connection.deliver(Buffer.from(text))),
    request: (text: string, timeout?: number) =>
      note(text, connection.request(Buffer.from(text), { timeout }))
  }
}

const echo = (token: Buffer) => Buffer.from(`re ${token}`)

describe('A handler', () => {
  const pairs: SessionPair[] = []

  async function open(options: SessionPairOptions = { hasSession: false }): Promise<SessionPair> {
    const pair = await SessionPair.open(options)
    pairs.push(pair)
    return pair
  }

  afterEach(async () => {
    for (const pair of pairs.splice(0)) await pair.destroy()
    await destroyPairs()
  })

  it('answers requests of both sides, also with an empty answer', async () => {
    const { client, server } = await open()
    server.handle(echo)
    client.handle(async () => {})
    expect(`${await client.request(Buffer.from('a'))}`).to.equal('re a')
    expect((await server.request(Buffer.from('b'))).length).to.equal(0)
  })

  it('makes deliver() wait until its promise has settled', async () => {
    const { client, server } = await open()
    const jobs = new Jobs()
    server.handle(jobs.handler)
    const { told, deliver } = fates(client)
    void deliver('a')
    await settled()
    expect([jobs.begun, told]).to.deep.equal([['a'], []])
    await jobs.done('a')
    expect(told).to.deep.equal(['a done'])
  })

  it('that throws or rejects makes the promise of its token fail, and nobody else', async () => {
    const { client, server } = await open()
    const errors: unknown[] = []
    server.on('handlerError', error => errors.push((error as Error).message))
    server.handle(token => {
      if (`${token}` === 'throw') throw new Error('secret')
      if (`${token}` === 'reject')
        return Promise.reject(Object.assign(new Error('no stock'), { expose: true }))
      return token
    })
    const { told, deliver, request } = fates(client)
    await Promise.all([deliver('throw'), request('reject'), deliver('a'), request('b'), request('throw')])
    expect(told.sort()).to.deep.equal([
      'a done',
      'b: b',
      'reject ERR_HANDLER_FAILED',
      'throw ERR_HANDLER_FAILED',
      'throw ERR_HANDLER_FAILED'
    ])
    expect(errors).to.deep.equal(['secret', 'no stock', 'secret'])
    const error = await client.request(Buffer.from('reject')).catch((reason: Error) => reason)
    expect(`${error}`).to.contain('no stock')
    const hidden = await client.request(Buffer.from('throw')).catch((reason: Error) => reason)
    expect(`${hidden}`).not.to.contain('secret')
  })

  it('is given as many tokens at once as its concurrency, in order, and may settle them in any order', async () => {
    const { client, server } = await open()
    const jobs = new Jobs()
    server.handle(jobs.handler, { concurrency: 2 })
    const { told, deliver, request } = fates(client)
    void deliver('a')
    void request('b')
    void deliver('c')
    await settled()
    expect(jobs.begun).to.deep.equal(['a', 'b'])
    await jobs.done('b', 'B')
    expect([jobs.begun, told]).to.deep.equal([['a', 'b', 'c'], ['b: B']])
    await jobs.done('c')
    expect(told).to.deep.equal(['b: B'])
    await jobs.done('a')
    expect(told).to.deep.equal(['b: B', 'a done', 'c done'])
  })

  it('keeps the credit of a token until it is settled, so that memory stays within the window', async () => {
    const { client, server } = await open({ hasSession: false, server: { receiveWindow: 1000 } })
    const jobs = new Jobs()
    server.handle(jobs.handler, { concurrency: 1000 })
    for (let i = 0; i < 50; i++) client.send(Buffer.alloc(96, `${i % 10}`))
    await settled()
    expect(jobs.begun).to.have.length(10)
    await jobs.done(jobs.begun[9] as string)
    expect(jobs.begun.length).to.be.below(12)
  })

  it('costs one write for all that one chunk asks: the count that the answers move goes with them', async () => {
    const { client, server } = await open()
    server.handle(async token => token)
    const { socket } = server
    const { write } = socket
    let writes = 0
    socket.write = ((...args: Parameters<typeof write>) => {
      writes++
      return write.apply(socket, args)
    }) as typeof write
    for (const count of [1, 64]) {
      writes = 0
      await Promise.all(Array.from({ length: count }, () => client.request(Buffer.from('a'))))
      await settled()
      expect(writes, `${count} requests`).to.equal(1)
    }
    expect(client.retainedBytes).to.equal(0)
  })

  it('is refused beside another consumer, and refuses others', async () => {
    const { client, server } = await open()
    server.handle(echo)
    expect(() => server.on('token', () => {}))
      .to.throw()
      .with.property('code', 'ERR_CONSUMER')
    expect(() => server.handle(echo))
      .to.throw()
      .with.property('code', 'ERR_CONSUMER')
    expect(() => server[Symbol.asyncIterator]())
      .to.throw()
      .with.property('code', 'ERR_CONSUMER')
    client.on('token', () => {})
    expect(() => client.handle(echo))
      .to.throw()
      .with.property('code', 'ERR_CONSUMER')
    for (const [handler, options] of [
      ['x', {}],
      [echo, { concurrency: 0 }],
      [echo, { concurency: 2 }]
    ]) {
      expect(() => client.handle(handler as never, options as never))
        .to.throw()
        .with.property('code', 'ERR_OPTION')
    }
  })

  it('that there is none: requests fail with ERR_NO_HANDLER and are given to nobody, whoever takes the tokens', async () => {
    const takers: Record<string, (connection: Connection, taken: string[]) => void> = {
      listener: (connection, taken) => void connection.on('token', token => taken.push(`${token}`)),
      iterator: (connection, taken) =>
        void (async () => {
          for await (const token of connection) taken.push(`${token}`)
        })(),
      stream: (connection, taken) => void connection.stream().on('data', token => taken.push(`${token}`)),
      pieces: (connection, taken) =>
        void (async () => {
          for await (const token of connection.incomingTokens()) {
            const pieces: Buffer[] = []
            for await (const piece of token) pieces.push(piece)
            taken.push(`${Buffer.concat(pieces)}`)
          }
        })()
    }
    for (const [name, take] of Object.entries(takers)) {
      const { client, server } = await open()
      const taken: string[] = []
      take(server, taken)
      const { told, deliver, request } = fates(client)
      const all = [deliver('a'), request('b'), deliver('c'), request('d'), deliver('e')]
      client.send(Buffer.from('f'))
      await settled()
      await settled()
      expect([name, taken]).to.deep.equal([name, ['a', 'c', 'e', 'f']])
      expect(told.filter(text => text.includes('ERR'))).to.deep.equal([
        'b ERR_NO_HANDLER',
        'd ERR_NO_HANDLER'
      ])
      client.close()
      await Promise.all(all)
      expect(told.filter(text => text.includes('done'))).to.deep.equal(['a done', 'c done', 'e done'])
    }
  })

  it('that there is none: what is read after the end has its requests left out, and no refusal of them waits', async () => {
    const { client, server } = await open()
    for (const name of ['a', 'b', 'c']) {
      client.send(Buffer.from(name))
      client.request(Buffer.from(`${name}?`)).catch(() => {})
    }
    await settled()
    client.destroy()
    const taken: string[] = []
    await server.closed
    const reading = (async () => {
      for await (const token of server) taken.push(`${token}`)
    })()
    await reading.catch(() => {})
    expect([taken, server.bufferedAmount]).to.deep.equal([['a', 'b', 'c'], 0])
  })

  it('may ask the other side from inside, in windows that are full', async () => {
    const options = { receiveWindow: 20_000, maxTokenLength: 20_000 }
    const { client, server } = await open({ hasSession: false, client: options, server: options })
    const body = Buffer.alloc(10_000, 'x')
    const deep = (connection: Connection) => async (token: Buffer) => {
      const depth = token.readUInt32BE()
      if (depth > 0) {
        const next = Buffer.from(body)
        next.writeUInt32BE(depth - 1)
        await connection.request(next)
      }
      return body
    }
    server.handle(deep(server), { concurrency: 1000 })
    client.handle(deep(client), { concurrency: 1000 })
    const first = Buffer.from(body)
    first.writeUInt32BE(1)
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.request(first)))
    expect(answers.every(answer => answer.equals(body))).to.equal(true)
  })

  it('answers what is longer than the asker takes with ERR_HANDLER_FAILED', async () => {
    const { client, server } = await open({ hasSession: false, client: { maxTokenLength: 10 } })
    server.handle(() => Buffer.alloc(11))
    const error = await client.request(Buffer.from('a')).catch((reason: TokenError) => reason)
    expect((error as TokenError).code).to.equal('ERR_HANDLER_FAILED')
    expect(client.isOpen).to.equal(true)
  })

  it('that answers no Buffer fails its request, and tells its own side', async () => {
    const { client, server } = await open()
    const errors: unknown[] = []
    server.on('handlerError', error => errors.push(error))
    server.handle(() => 'text' as never)
    const error = await client.request(Buffer.from('a')).catch((reason: TokenError) => reason)
    expect((error as TokenError).code).to.equal('ERR_HANDLER_FAILED')
    expect(errors).to.have.length(1)
  })

  it('gets a large request and gives a large answer, also between the parts of a token', async () => {
    const { client, server } = await open()
    const large = Buffer.alloc(3_000_000, 'abcdefg')
    server.handle(token => token)
    client.send(large)
    expect((await client.request(large)).equals(large)).to.equal(true)
  })

  it('is not called inside handle(), also when tokens wait', async () => {
    const { client, server } = await open()
    client.send(Buffer.from('a'))
    await settled()
    const log: string[] = []
    server.handle(token => void log.push(`${token}`))
    log.push('handle() has returned')
    await settled()
    expect(log).to.deep.equal(['handle() has returned', 'a'])
  })

  it('takes the tokens of token/1, too, and close() waits for it', async () => {
    const [there, here] = connectionPair()
    const jobs = new Jobs()
    here.handle(jobs.handler, { concurrency: 2 })
    for (const name of ['a', 'b', 'c']) there.send(Buffer.from(name))
    await settled()
    await jobs.done('b')
    expect(jobs.begun).to.deep.equal(['a', 'b', 'c'])
    there.close()
    await settled()
    expect(here.isOpen).to.equal(true)
    await jobs.fail('a', new Error('no'))
    await jobs.done('c')
    expect((await here.closed).hadError).to.equal(false)
  })

  describe('at the end of its connection', () => {
    it('is waited for by close(), and given no more tokens', async () => {
      const { client, server } = await open()
      const jobs = new Jobs()
      server.handle(jobs.handler, { concurrency: 2 })
      const { told, deliver, request } = fates(client)
      for (const name of ['a', 'c']) void deliver(name)
      void request('b')
      void request('d')
      await settled()
      server.close()
      await settled()
      expect(told).to.deep.equal([])
      await jobs.done('c')
      await jobs.done('a')
      await Promise.all([client.closed, server.closed])
      expect([jobs.begun, told]).to.deep.equal([
        ['a', 'c'],
        ['a done', 'c done', 'b ERR_NOT_SENT', 'd ERR_NOT_SENT']
      ])
    })

    it('that is not done in time leaves its token unknown, and those behind not sent', async () => {
      const { client, server } = await open()
      const jobs = new Jobs()
      server.handle(jobs.handler, { concurrency: 2 })
      const { told, deliver } = fates(client)
      for (const name of ['a', 'b', 'c']) void deliver(name)
      await settled()
      await jobs.done('b')
      server.close({ timeout: 20 })
      await Promise.all([client.closed, server.closed])
      await settled()
      // c was begun when b was done; a, b and c are not covered by a count.
      expect([jobs.begun, told]).to.deep.equal([
        ['a', 'b', 'c'],
        ['a ERR_FATE_UNKNOWN', 'b ERR_FATE_UNKNOWN', 'c ERR_FATE_UNKNOWN']
      ])
    })

    it('is given what came before the CLOSE of the peer, and its answers still arrive', async () => {
      const { client, server } = await open()
      server.handle(async token => echo(token))
      const { told, request, deliver } = fates(client)
      void request('a')
      void deliver('b')
      void request('c')
      client.close()
      await Promise.all([client.closed, server.closed])
      await settled()
      expect(told.sort()).to.deep.equal(['a: re a', 'b done', 'c: re c'])
    })
  })

  describe('in a session', () => {
    it('answers after a cut, once', async () => {
      const pair = await open({})
      const jobs = new Jobs()
      pair.server.handle(jobs.handler, { concurrency: 4 })
      const { told, request, deliver } = fates(pair.client)
      void request('a')
      void deliver('b')
      void request('c')
      await settled()
      await pair.cut()
      await jobs.done('a', 'A')
      await jobs.fail('b', new Error('no'))
      await pair.resume()
      await jobs.done('c', 'C')
      await settled()
      expect([jobs.begun, told.sort()]).to.deep.equal([
        ['a', 'b', 'c'],
        ['a: A', 'b ERR_HANDLER_FAILED', 'c: C']
      ])
      expect([pair.client.retainedBytes, pair.server.retainedBytes]).to.deep.equal([0, 0])
    })
  })

  it('of both sides of a session that end at once keeps neither waiting, whatever is kept for replay', async () => {
    const { client, server } = await open({})
    client.handle(() => {})
    server.handle(() => {})
    const large = Buffer.alloc(6_000_000)
    for (const connection of [client, server]) {
      // More than the session keeps.
      for (let i = 0; i < 2; i++) connection.send(large)
      connection.close({ timeout: 2_000 })
    }
    const codes = (await Promise.all([client.closed, server.closed])).map(({ code }) => code)
    expect(codes).to.deep.equal(['normal', 'normal'])
  })

  describe('request()', () => {
    it('gives up after its timeout, and the answer that comes later is thrown away', async () => {
      const { client, server } = await open()
      const jobs = new Jobs()
      server.handle(jobs.handler)
      const { told, request } = fates(client)
      await request('a', 5)
      expect(told).to.deep.equal(['a ERR_FATE_UNKNOWN'])
      await jobs.done('a', 'late')
      server.on('close', () => told.push('closed'))
      void request('b')
      await settled()
      await jobs.done('b', 'B')
      expect(told).to.deep.equal(['a ERR_FATE_UNKNOWN', 'b: B'])
    })

    it('that were given up by the hundred may all be answered late', async () => {
      const { client, server } = await open()
      const jobs = new Jobs()
      server.handle(jobs.handler, { concurrency: 200 })
      const { told, request } = fates(client)
      await Promise.all(Array.from({ length: 100 }, (_, i) => request(`${i}`, 5)))
      expect(new Set(told.map(text => text.split(' ')[1]))).to.deep.equal(new Set(['ERR_FATE_UNKNOWN']))
      for (let i = 0; i < 100; i++) await jobs.done(`${i}`, 'late')
      void request('next')
      await settled()
      await jobs.done('next', 'answer')
      expect([told.length, told.at(-1), client.isOpen]).to.deep.equal([101, 'next: answer', true])
    })

    it('takes no more than maxPendingRequests', async () => {
      const { client, server } = await open({ hasSession: false, client: { maxPendingRequests: 2 } })
      const jobs = new Jobs()
      server.handle(jobs.handler)
      const { told, request } = fates(client)
      for (const name of ['a', 'b', 'c']) void request(name)
      await settled()
      expect(told).to.deep.equal(['c ERR_NOT_SENT'])
      await jobs.done('a', 'A')
      void request('d')
      await settled()
      expect(told).to.deep.equal(['c ERR_NOT_SENT', 'a: A'])
    })
  })
})
