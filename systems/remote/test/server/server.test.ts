import { certificates, closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, type NodeClientOptions } from '../../lib/doors/node-client'
import { RemoteError } from '../../lib/errors/remote-error'
import { type Handlers, Server } from '../../lib/server/server'
import type { HostOptions, ServerOptions } from '../../lib/server/server-options'

const KEY = 'a key in words'

async function startServer(
  handler: Handlers,
  { key = KEY, ...options }: HostOptions & { key?: string } = {},
  own: ServerOptions = {}
): Promise<{ server: Server; port: number }> {
  const server = new Server(own)
  onCleanUp(() => server.close({ timeout: 100 }))
  const { port } = await server.host(handler, key, { port: 0, ...options })
  return { server, port }
}

async function connect(url: string, key = KEY, options: NodeClientOptions = {}): Promise<Client> {
  const client = new Client(options)
  onCleanUp(() => client.close())
  await client.connect(url, key)
  return client
}

function failure(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    value => `resolved with ${JSON.stringify(value)}`,
    (error: RemoteError) => {
      expect(error).to.be.instanceOf(RemoteError)
      return `${error.code} ${error.reason ?? '-'} ${error.ran}`
    }
  )
}

describe('A server and its clients', () => {
  closesWhatItOpened()

  it('answer over ws, wss and tokens, on one port where there is a certificate', async () => {
    const { ca, server: tls } = await certificates()
    const answer = ({ event, payload }: { event: string; payload: unknown }) => ({ event, payload })
    const plain = await startServer(answer)
    const sealed = await startServer(answer, { tls })
    for (const url of [
      `ws://127.0.0.1:${plain.port}`,
      `wss://127.0.0.1:${sealed.port}`,
      `tokens://127.0.0.1:${sealed.port}`,
      `wss://127.0.0.1:${sealed.port}/remote?device=${sealed.server.hub.deviceId}`
    ]) {
      const client = await connect(url, KEY, { tls: { ca } })
      expect(await client.send('lamp', { on: true }), url).to.deep.equal({
        event: 'lamp',
        payload: { on: true }
      })
    }
  })

  it('await a handler that takes its time, and take a map of handlers as well', async () => {
    const { port } = await startServer({
      slow: async ({ payload }) => {
        await new Promise(resolve => setTimeout(resolve, 50))
        return payload
      },
      fails: () => {
        throw new Error('secret words')
      }
    })
    const client = await connect(`ws://127.0.0.1:${port}`)
    expect(await client.send('slow', 7)).to.equal(7)
    expect(await failure(client.send('fails'))).to.equal('handler-failed threw yes')
  })

  it('are told by a map of handlers which events it does not have, and the log of the device hears nothing', async () => {
    const own = () => 'own'
    const logged: unknown[] = []
    for (const handlers of [{ on: own }, new Map([['on', own]])]) {
      const onHandlerError = (error: unknown) => logged.push(error)
      const { port } = await startServer(handlers, {}, { onHandlerError })
      const client = await connect(`ws://127.0.0.1:${port}`)
      expect(await client.send('on')).to.equal('own')
      for (const event of ['off', 'constructor', '__proto__'])
        expect(await failure(client.send(event))).to.equal('refused unknown-event no')
    }
    expect(logged).to.deep.equal([])
  })

  it('are not begun with handlers that are none', async () => {
    for (const handlers of [undefined, null, 'on', { on: 'on' }, new Map([['on', 1]])])
      expect(await failure(new Server().host(handlers as never, KEY, { port: 0 }))).to.equal('invalid - no')
  })

  it('need a port that is free, an address of this machine, and a certificate', async () => {
    const { port } = await startServer(() => 1)
    const { server: tls } = await certificates()
    const wrong: HostOptions[] = [
      { port },
      { port, tls },
      { port: 0, host: '192.0.2.1' },
      { port: 0, tls: { key: 'none', cert: 'none' } }
    ]
    for (const options of wrong)
      expect(await failure(new Server().host(() => 1, KEY, options)), `port ${options.port}`).to.equal(
        'invalid cannot-listen no'
      )
  })

  it('with another key: the error handler is told at once, and the request fails at its timeout', async () => {
    const { port } = await startServer(() => 'never')
    const client = await connect(`ws://127.0.0.1:${port}`, 'another key', { timeoutLength: 60_000 })
    const words: string[] = []
    client.setErrorHandler(word => words.push(word))
    const asked = failure(client.send('lamp'))
    await until(() => words.length > 0)
    expect(words[0]).to.equal('invalid_encryption')
    const start = performance.now()
    expect(await failure(client.send('lamp', null, { timeout: 1_000 }))).to.equal('bad-key - no')
    expect(performance.now() - start).to.be.within(900, 10_000)
    expect(client.pending).to.equal(1)
    client.close()
    await asked
  })

  it('swap the key without reconnecting', async () => {
    const { server, port } = await startServer(({ payload }) => payload)
    const client = await connect(`ws://127.0.0.1:${port}`)
    expect(await client.send('lamp', 1)).to.equal(1)
    await server.setEncryptionKey('the next key')
    client.setEncryption('the next key')
    expect(await client.send('lamp', 2)).to.equal(2)
  })

  it('seal nothing under an empty key, where both allow it', async () => {
    const { port } = await startServer(({ payload }) => payload, { key: '' }, { allowPlain: true })
    const client = await connect(`ws://127.0.0.1:${port}`, '', { allowPlain: true })
    expect(await client.send('lamp', 1)).to.equal(1)
    expect(await failure(new Server().host(() => 1, '', { port: 0 }))).to.equal('invalid - no')
  })

  it('come together again when the device comes back, and what was asked meanwhile is answered', async () => {
    const first = await startServer(() => 'first')
    const client = await connect(`ws://127.0.0.1:${first.port}`)
    expect(await client.send('lamp')).to.equal('first')
    await first.server.close({ timeout: 100 })
    await until(() => client.status !== 'ready')
    expect(await failure(client.send('lamp'))).to.equal('disconnected not-connected no')
    await startServer(() => 'second', { port: first.port })
    await until(() => client.status === 'ready' || client.status === 'opening')
    expect(await client.send('lamp')).to.equal('second')
  })

  it('a first connection that fails rejects, and says why', async () => {
    const client = new Client()
    expect(await failure(client.connect('ws://127.0.0.1:1', KEY))).to.equal('disconnected unreachable no')
  })

  it('tells its clients when it closes, and in time', async () => {
    const { server, port } = await startServer(() => new Promise(() => {}))
    const client = await connect(`ws://127.0.0.1:${port}`)
    const asked = failure(client.send('lamp'))
    await until(() => server.hub.stats.commands === 1)
    await server.close({ timeout: 1_000 })
    expect(await asked).to.equal('refused shutting-down yes')
    await server.close()
    expect(await failure(server.host(() => 1, KEY, { port: 0 }))).to.equal('disconnected closed no')
  })
})
