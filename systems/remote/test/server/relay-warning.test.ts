import { certificates, closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, RemoteError, Server } from '../../lib'
import type { RelayOptions, ServerOptions } from '../../lib/server/server-options'

const KEY = 'A'.repeat(43)
const DEVICE = 'xEuAkY861jNvyF1RhLzOX3'

function failure(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => 'resolved',
    (error: unknown) => {
      expect(error).to.be.instanceOf(RemoteError)
      return `${(error as RemoteError).code} ${(error as RemoteError).reason ?? '-'}`
    }
  )
}

function newServer(options: ServerOptions = {}): Server {
  const server = new Server(options)
  onCleanUp(() => server.close({ timeout: 0 }))
  return server
}

/** Of one device that is to come to a relay which nobody reaches. */
function dial(server: Server, url: string, options: RelayOptions = {}): Promise<string> {
  return failure(server.hostMiddleware(url, () => 1, KEY, options))
}

describe('A device that dials out to a relay', () => {
  closesWhatItOpened()
  const warnings: (Error & { code?: string })[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  beforeEach(() => {
    warnings.length = 0
    process.on('warning', onWarning)
  })
  afterEach(() => void process.off('warning', onWarning))

  it('is told at once that an address can never be one, and keeps nothing of it', async () => {
    const server = newServer({ address: 'https://lamp.example' })
    const wrong = [
      'https://relay.example',
      'relay.example',
      'tokens://relay.example',
      'wss://',
      '',
      7,
      undefined
    ]
    for (const url of wrong) expect(await dial(server, url as string), String(url)).to.equal('invalid -')
    expect(server.relays).to.deep.equal([])
    const client = new Client()
    onCleanUp(() => client.close())
    expect(await failure(client.connect('tokens://127.0.0.1', KEY, true))).to.equal('invalid -')
    expect(client.status).to.equal('closed')
  })

  it('warns once of each reason for which it does not get there', async () => {
    const { server: tls } = await certificates()
    const other = newServer()
    const { port } = await other.host(() => 1, KEY, { port: 0, tls })
    const reasons: [url: string, reason: RegExp][] = [
      ['wss://127.0.0.1:1', /nobody answers there \(ECONNREFUSED\)/],
      [`wss://127.0.0.1:${port}`, /its certificate is not trusted.* \([A-Z_]+\)/],
      [`tokens://127.0.0.1:${port}`, /its certificate is not trusted/]
    ]
    for (const [url, reason] of reasons) {
      warnings.length = 0
      const server = newServer()
      const done = dial(server, url)
      await until(() => warnings.length > 0)
      expect(warnings[0]).to.include({ name: 'Warning', code: 'REMOTE_RELAY' })
      expect(warnings[0]?.message)
        .to.match(reason)
        .and.to.include(new URL(url).host)
        .and.to.match(/tried again\.$/)
      // The event tells of each try.
      const [change] = await new Promise<unknown[]>(resolve =>
        server.once('relay', (...args) => resolve(args))
      )
      expect(change).to.include({ isOnline: false, isFinal: false })
      await server.close()
      expect(await done).to.equal('disconnected closed')
      expect(warnings).to.have.length(1)
    }
  })

  it('warns of nothing where somebody listens', async () => {
    const server = newServer()
    const told: string[] = []
    server.on('relay', ({ error }) => told.push(`${error?.code} ${error?.reason}`))
    const done = dial(server, 'wss://127.0.0.1:1')
    await until(() => told.length === 2)
    await server.close()
    await done
    expect(told.slice(0, 2)).to.deep.equal(['disconnected unreachable', 'disconnected unreachable'])
    expect(warnings).to.deep.equal([])
  })

  const functions: Readonly<Record<string, () => never>> = {
    'never resolves': () => new Promise(() => {}) as never,
    rejects: () => Promise.reject(new Error('no way to the issuer')) as never,
    throws: () => {
      throw new Error('no way to the issuer')
    },
    'gives no text': () => Promise.resolve(undefined) as never
  }
  for (const [what, jwt] of Object.entries(functions))
    it(`is told when its function jwt ${what}, and a client is, too`, async () => {
      const server = newServer()
      const reached = await server.host(() => 1, KEY, { port: 0 })
      for (const url of ['ws', 'http'].map(
        scheme => `${scheme}://127.0.0.1:${reached.port}?device=${DEVICE}`
      )) {
        const client = new Client({ jwt, connectTimeout: 300 })
        onCleanUp(() => client.close())
        expect(await failure(client.connect(url, KEY)), url).to.equal('disconnected no-token')
      }
      const relayed = dial(server, `ws://127.0.0.1:${reached.port}`, { jwt, connectTimeout: 300 })
      await until(() => warnings.length > 0)
      expect(warnings[0]?.message).to.include('the function jwt')
      await server.close()
      expect(await relayed).to.equal('disconnected closed')
    })
})
