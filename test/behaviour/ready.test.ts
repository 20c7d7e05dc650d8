import { once } from 'node:events'
import { expect } from 'chai'
import { TokenClient, type TokenError, TokenServer } from '../../lib'
import {
  clientOptions,
  closesWhatItOpened,
  freePort,
  makeClient,
  makeServer,
  onCleanUp,
  serverOptions,
  startServer
} from '../helpers/loopback'
import { escapedDuring } from '../helpers/moments'

/** What a promise was rejected with; undefined when it was resolved. */
function failureOf(promise: Promise<unknown>): Promise<TokenError | undefined> {
  return promise.then(
    () => undefined,
    error => error
  )
}

describe('ready of a server', () => {
  closesWhatItOpened()

  it('resolves when the server listens, and at once for whoever asks later', async () => {
    const server = await makeServer()
    await server.ready
    expect(server.address()).not.to.equal(null)
    await server.ready
    server.close()
    await server.closed
    await server.ready
  })

  it('is rejected with the error of a server that can not listen, which is then thrown nowhere else', async () => {
    const { port } = await startServer()
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const second = new TokenServer(await serverOptions({ port }))
      const failure = await failureOf(second.ready)
      expect(failure).to.have.property('code', 'ERR_LISTEN')
      expect((await second.closed).error).to.equal(failure)
      expect(await failureOf(second.ready)).to.equal(failure)
    })
    expect([uncaught, unhandled]).to.deep.equal([[], []])
  })

  it('leaves an error that nobody waits for to the event, which throws it', async () => {
    const { port } = await startServer()
    const { uncaught, unhandled } = await escapedDuring(async () => {
      await new TokenServer(await serverOptions({ port })).closed
    })
    expect(uncaught).to.have.length(1)
    expect(uncaught[0]).to.have.property('code', 'ERR_LISTEN')
    expect(unhandled).to.deep.equal([])
  })

  it('is rejected with ERR_ABORTED when close() comes first, which is no unhandled rejection', async () => {
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const server = await makeServer()
      void server.ready
      server.close()
      expect(await failureOf(server.ready)).to.have.property('code', 'ERR_ABORTED')
    })
    expect([uncaught, unhandled]).to.deep.equal([[], []])
  })

  it('is another promise after each connect()', async () => {
    const { port } = await startServer()
    const server = new TokenServer(await serverOptions({ port }))
    server.on('error', () => {})
    const first = server.ready
    expect(await failureOf(first)).to.have.property('code', 'ERR_LISTEN')
    await server.closed
    expect(server.connect()).to.equal(true)
    expect(server.ready).not.to.equal(first)
    expect(await failureOf(server.ready)).to.have.property('code', 'ERR_LISTEN')
    await server.closed
  })
})

describe('ready of a client', () => {
  closesWhatItOpened()

  it('resolves when the server has accepted the client, and at once for whoever asks later', async () => {
    const { port } = await startServer()
    const client = await makeClient(port)
    await client.ready
    expect(client.connection?.isOpen).to.equal(true)
    await client.ready
    client.close()
    await client.closed
    await client.ready
  })

  it('is rejected with the reason of a server that refuses, which is then thrown nowhere else', async () => {
    const { port } = await startServer({ authorize: () => ({ reason: 'closed on Sundays' }) })
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const client = new TokenClient(await clientOptions(port))
      const failure = await failureOf(client.ready)
      expect(failure).to.have.property('code', 'ERR_REFUSED')
      expect((await client.closed).error).to.equal(failure)
      expect(await failureOf(client.ready)).to.equal(failure)
    })
    expect([uncaught, unhandled]).to.deep.equal([[], []])
  })

  it('does not take an error from those who listen for it, and is then no unhandled rejection', async () => {
    const port = await freePort()
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const client = await makeClient(port, { refusedRetryTimeout: 0 })
      const told = client.closed
      const errors: unknown[] = []
      client.on('error', error => errors.push(error))
      void client.ready
      await told
      expect(errors).to.have.length(1)
      void client.ready
    })
    expect([uncaught, unhandled]).to.deep.equal([[], []])
  })

  it('is no reason to keep silent of an error that comes after it', async () => {
    const { server, port } = await startServer()
    const { uncaught } = await escapedDuring(async () => {
      const client = new TokenClient(await clientOptions(port))
      const accepted = once(server, 'connection')
      await client.ready
      const [connection] = await accepted
      connection.destroy()
      await client.closed
    })
    expect(uncaught).to.have.length(1)
  })

  it('with reconnect waits until a dial is accepted, and stays resolved when the connection is lost', async () => {
    let isOpen = false
    const { server, port } = await startServer({ authorize: () => isOpen })
    const client = await makeClient(port, { reconnect: () => 1 })
    const outcomes: string[] = []
    const ready = client.ready
    void ready.then(() => outcomes.push('ready'))
    await once(client, 'reconnecting')
    await once(client, 'reconnecting')
    expect(outcomes).to.deep.equal([])
    isOpen = true
    const accepted = once(server, 'connection')
    await ready
    const [connection] = await accepted
    const lost = once(client, 'disconnect')
    connection.destroy()
    await lost
    expect(client.ready).to.equal(ready)
    await client.ready
  })

  it('is rejected with ERR_ABORTED when close() comes first, which is no unhandled rejection', async () => {
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const client = await makeClient(await freePort(), { reconnect: true })
      void client.ready
      client.close()
      expect(await failureOf(client.ready)).to.have.property('code', 'ERR_ABORTED')
      await client.closed
    })
    expect([uncaught, unhandled]).to.deep.equal([[], []])
  })

  it('is another promise after each connect()', async () => {
    const port = await freePort()
    const client = await makeClient(port, { refusedRetryTimeout: 0 })
    const first = client.ready
    expect(await failureOf(first)).to.have.property('code', 'ERR_CONNECT')
    await client.closed
    const server = new TokenServer(await serverOptions({ port }))
    onCleanUp(() => server[Symbol.asyncDispose]())
    await server.ready
    expect(client.connect()).to.equal(true)
    await client.ready
    expect(client.ready).not.to.equal(first)
    expect(client.connection?.isOpen).to.equal(true)
  })
})
