import { once } from 'node:events'
import { expect } from 'chai'
import type { TokenClient, TokenError } from '../../lib'
import { closesWhatItOpened, connectPair, makeClient, startServer } from '../helpers/loopback'
import { escapedDuring } from '../helpers/moments'

const bytes = (text: string) => Buffer.from(text)

/** What no token can be. */
const NO_TOKENS: unknown[] = ['text', { a: 1 }, new ArrayBuffer(3), 7, undefined, null]

function fateOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    answer => (answer === undefined ? 'done' : `${answer}`),
    ({ code, reason }: TokenError) => `${code}, ${reason}`
  )
}

describe('Work for a handler at the other end of TLS', () => {
  closesWhatItOpened()

  it('is done when deliver() says so, whichever of the jobs that run at once ends first', async () => {
    const { server } = await startServer()
    const { client, connection } = await connectPair(server)
    const finished: string[] = []
    let endSlow!: () => void
    const slow = new Promise<void>(resolve => {
      endSlow = resolve
    })
    client.handle(
      async token => {
        if (`${token}` === 'slow') await slow
        finished.push(`${token}`)
        return token
      },
      { concurrency: 4 }
    )
    const believed: string[] = []
    const delivered = ['slow', 'quick 1', 'quick 2'].map(async job => {
      await connection.deliver(bytes(job))
      expect(finished).to.include(job)
      believed.push(job)
    })
    // An answer waits for no job before it, and comes behind whatever was told before.
    expect(`${await connection.request(bytes('quick 3'))}`).to.equal('quick 3')
    expect([finished, believed]).to.deep.equal([['quick 1', 'quick 2', 'quick 3'], []])
    endSlow()
    await Promise.all(delivered)
    expect(believed).to.deep.equal(['slow', 'quick 1', 'quick 2'])
  })

  it('that fails is told to both sides, leaves no rejection unhandled, and the next one is done', async () => {
    const { server } = await startServer()
    const told: string[] = []
    server.on('handlerError', error => told.push((error as Error).message))
    server.handle(token => {
      if (`${token}` === 'order 18') throw new Error('the database is full')
      return store(token)
    })
    const store = async (token: Buffer) => {
      await new Promise(setImmediate)
      if (`${token}` === 'order 17') throw new Error('the database is down')
    }
    const { client } = await connectPair(server)
    const fates: string[] = []
    const escaped = await escapedDuring(async () => {
      for (const order of ['order 17', 'order 18', 'order 19']) {
        fates.push(await fateOf(client.deliver(bytes(order))), await fateOf(client.request(bytes(order))))
      }
    })
    const failed = 'ERR_HANDLER_FAILED, handler-failed'
    expect(fates).to.deep.equal([failed, failed, failed, failed, 'done', ''])
    const [down, full] = ['the database is down', 'the database is full']
    expect(told).to.deep.equal([down, down, full, full])
    expect(escaped).to.deep.equal({ uncaught: [], unhandled: [] })
  })

  it('that is asked of a server which refuses the client fails with the refusal as its cause', async () => {
    const { port } = await startServer({ authorize: () => ({ reason: 'not today' }) })
    const client = await makeClient(port, { reconnect: true })
    client.on('disconnect', () => {}) // no warning
    await once(client, 'disconnect')
    const asked = client.request(bytes('x'), { timeout: 1 })
    const error = (await asked.catch((reason: unknown) => reason)) as TokenError & { cause: Error }
    expect([error.code, error.reason]).to.deep.equal(['ERR_NOT_SENT', 'refused'])
    expect(error.cause.message).to.match(/refused this client with refused, "not today"/)
  })

  it('that is no token is refused at once by send(), deliver() and request()', async () => {
    const { server } = await startServer()
    const { client } = await connectPair(server)
    for (const token of NO_TOKENS as Buffer[]) {
      expect(() => client.send(token))
        .to.throw()
        .with.property('code', 'ERR_TOKEN_TYPE')
      for (const ask of ['deliver', 'request'] as const)
        expect(await fateOf(client[ask](token)), ask).to.match(/^ERR_TOKEN_TYPE/)
    }
  })

  it('is given to a function, and with a concurrency above zero', async () => {
    const { server } = await startServer()
    const { client, connection } = await connectPair(server)
    for (const side of [server, client, connection]) {
      for (const handler of NO_TOKENS as (() => void)[])
        expect(() => side.handle(handler))
          .to.throw()
          .with.property('code', 'ERR_OPTION')
      for (const concurrency of [0, -1, 1.5, Number.POSITIVE_INFINITY, '2' as never])
        expect(() => side.handle(() => {}, { concurrency }))
          .to.throw()
          .with.property('code', 'ERR_OPTION')
    }
  })

  it('is never sent by a client that has closed, and never silently', async () => {
    const { server } = await startServer()
    const { client } = await connectPair(server)
    client.close()
    await client.closed
    const fates = (ask: 'deliver' | 'request'): Promise<string> =>
      fateOf((client as TokenClient)[ask](bytes('x')))
    expect([client.send(bytes('x')), await fates('deliver'), await fates('request')]).to.deep.equal([
      false,
      'ERR_NOT_SENT, closed',
      'ERR_NOT_SENT, closed'
    ])
  })
})
