import { once } from 'node:events'
import { createAuthority, type KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenClientOptions, TokenServer, TokenServerOptions } from '../../lib'
import { controlOf } from '../../lib/connection/connection'
import { closeCodeNumber } from '../../lib/errors/close-codes'
import type { SessionLookup, SessionPart } from '../../lib/wire/hello'
import { HandClient } from '../helpers/hand-client'
import { closesWhatItOpened, eventsOf, makeClient, startServer, until } from '../helpers/loopback'
import { TcpProxy } from '../helpers/tcp-proxy'

interface Cast {
  readonly ca: string
  readonly server: KeyAndCert
  readonly ann: KeyAndCert
  /** Issued anew: another key, another serial number, the same names. */
  readonly annRenewed: KeyAndCert
  readonly bob: KeyAndCert
}

interface World {
  readonly server: TokenServer
  readonly port: number
  readonly proxy: TcpProxy
  readonly client: TokenClient
  readonly connection: Connection
  readonly got: string[]
  /** Of the victim. */
  readonly seen: string[]
  readonly refused: string[]
}

describe('S3 a session and those who have no right to it', () => {
  closesWhatItOpened()

  let cast: Cast
  before(async () => {
    const authority = await createAuthority({ name: 'authority of S3' })
    cast = {
      ca: authority.cert,
      server: await authority.issueServer(),
      ann: await authority.issueClient({ name: 'ann' }),
      annRenewed: await authority.issueClient({ name: 'ann' }),
      bob: await authority.issueClient({ name: 'bob' })
    }
  })

  /** Ann has a session, over a proxy. */
  async function begin(
    over: Partial<TokenClientOptions> = {},
    serverOver: TokenServerOptions = {}
  ): Promise<World> {
    const { ca, ann } = cast
    const { server, port } = await startServer({ ca, ...cast.server, session: true, ...serverOver })
    const got: string[] = []
    const refused: string[] = []
    server.on('token', token => got.push(String(token)))
    server.on('refused', ({ error }) => refused.push(`${error.code} ${error.closeCode}`))
    const proxy = await TcpProxy.to(port)
    const client = await makeClient(proxy.port, { ca, ...ann, session: true, reconnect: () => 5, ...over })
    const accepted = once(server, 'connection')
    await once(client, 'connect')
    const [connection] = (await accepted) as [Connection]
    const seen = eventsOf(client, ['connect', 'disconnect', 'resumed', 'session-lost', 'error', 'close'])
    return { server, port, proxy, client, connection, got, seen, refused }
  }

  /** What a HELLO that goes on with the victim's session says, `more` dials later. */
  function stolenFrom({ client }: World, more: number): SessionPart {
    const part = controlOf(client.connection as Connection).session.answer('resumed')
    return { ...part, received: part.handed, generation: part.generation + more, lookup: 'request' }
  }

  /** Someone with this certificate asks for a session by hand. */
  async function ask(world: World, who: KeyAndCert, session: SessionPart | null) {
    const thief = await HandClient.dial(world.port, who, cast.ca)
    return { thief, answer: await thief.greet(session) }
  }

  function lookupOf(answer: object | null): SessionLookup | undefined {
    return (answer as { session?: SessionPart | null } | null)?.session?.lookup
  }

  /** Tokens of both directions pass, and the connection is the same. */
  async function expectUntouched(world: World, events: string[] = []): Promise<void> {
    const { client, connection, got, seen, server } = world
    const before = got.length
    const answer = once(client, 'token')
    await client.deliver(Buffer.from('of ann'))
    connection.send(Buffer.from('to ann'))
    expect(String((await answer)[0])).to.equal('to ann')
    expect(got.slice(before)).to.deep.equal(['of ann'])
    expect(seen).to.deep.equal(events)
    expect(connection.isOpen && server.connections.has(connection)).to.equal(true)
  }

  for (const more of [1, 0, 1_000_000]) {
    it(`S3 another identity with a stolen id gets a session of its own (generation + ${more})`, async () => {
      const world = await begin()
      await world.client.deliver(Buffer.from('first'))
      const stolen = stolenFrom(world, more)
      const { thief, answer } = await ask(world, cast.bob, stolen)
      const { session } = answer as unknown as { session: SessionPart }
      expect([answer?.type, session.lookup]).to.deep.equal(['hello', 'identity'])
      expect(session.id.equals(stolen.id), 'the id of another').to.equal(false)
      expect([session.received, session.handed]).to.deep.equal([0, 0])
      expect(world.server.connections.size).to.equal(2)
      await expectUntouched(world)
      expect(thief.read.filter(Buffer.isBuffer)).to.deep.equal([])
    })
  }

  it('S3 another identity gets nothing of what waits for a victim that is away, who then goes on', async () => {
    const world = await begin({ reconnect: () => 300 })
    const { client, connection, proxy } = world
    const stolen = stolenFrom(world, 1)
    const detached = once(connection, 'detached')
    proxy.cutAll()
    await detached
    // The victim may be back before the thief is done with a handshake.
    const token = once(client, 'token')
    const waiting = connection.deliver(Buffer.from('for ann alone'))
    const { thief, answer } = await ask(world, cast.bob, stolen)
    expect(lookupOf(answer)).to.equal('identity')
    expect(String((await token)[0])).to.equal('for ann alone')
    await waiting
    expect(thief.read.filter(Buffer.isBuffer)).to.deep.equal([])
    await expectUntouched(world, ['disconnect', 'resumed'])
  })

  it('S3 a replayed HELLO is refused, and one of an older dial', async () => {
    const world = await begin()
    for (let i = 0; i < 3; i++) {
      const resumed = once(world.client, 'resumed')
      world.proxy.cutAll()
      await resumed
      await until(() => world.connection.isOpen)
    }
    world.seen.length = 0
    for (const more of [0, -1, -2]) {
      const { thief, answer } = await ask(world, cast.ann, stolenFrom(world, more))
      expect(answer).to.deep.include({ type: 'close', code: 0x0108, handed: 0 })
      if (!thief.hasEnded) await once(thief.socket, 'end')
    }
    await until(() => world.refused.length === 3)
    expect(world.refused).to.deep.equal(Array(3).fill('ERR_REFUSED session-replaced'))
    await expectUntouched(world)
    expect(world.server.connections.size).to.equal(1)
  })

  it('S3 an id that was never given, or of another life of the server, begins a new session', async () => {
    const world = await begin()
    const stolen = stolenFrom(world, 1)
    for (const session of [
      { ...stolen, id: Buffer.alloc(16, 7) },
      { ...stolen, epoch: Buffer.alloc(8, 7) }
    ]) {
      const { answer } = await ask(world, cast.ann, session)
      expect(lookupOf(answer)).to.equal('unknown')
    }
    await expectUntouched(world)
  })

  it('S3 the same identity with counts that cannot be true is refused, and the session goes on', async () => {
    const world = await begin()
    await world.client.deliver(Buffer.from('first'))
    const { answer } = await ask(world, cast.ann, { ...stolenFrom(world, 1), received: 9, handed: 9 })
    expect(answer).to.include({ type: 'close', code: closeCodeNumber('protocol-error') })
    await expectUntouched(world)
    expect(world.server.connections.size).to.equal(1)
  })

  it('S3 a renewed certificate of the same identity goes on with the session', async () => {
    let now = cast.ann
    const world = await begin({ key: () => now.key, cert: () => now.cert })
    const { connection, proxy, client } = world
    const before = connection.peer
    now = cast.annRenewed
    const resumed = Promise.all([once(client, 'resumed'), once(world.server, 'resumed')])
    proxy.cutAll()
    await resumed
    expect(connection.peer?.serialNumber).not.to.equal(before?.serialNumber)
    expect(connection.peer?.fingerprint).not.to.equal(before?.fingerprint)
    expect(connection.peer?.subject).to.equal(before?.subject)
    await expectUntouched(world, ['disconnect', 'resumed'])
    expect(world.server.connections.size).to.equal(1)
  })

  it('S3 sessionIdentity decides whose it is, and null gives none', async () => {
    const names = new Map([['bob', null]] as [string, string | null][])
    const nameOf = (subject: string) => /CN=(\w+)/.exec(subject)?.[1] ?? ''
    const world = await begin(
      {},
      {
        sessionIdentity: peer => {
          const name = nameOf(peer?.subject ?? '')
          return names.has(name) ? (names.get(name) as string | null) : 'all the others'
        }
      }
    )
    const { answer } = await ask(world, cast.bob, stolenFrom(world, 1))
    expect(answer?.type).to.equal('hello')
    expect((answer as unknown as { session: unknown }).session).to.equal(null)
    const bob = await makeClient(world.port, {
      ca: cast.ca,
      ...cast.bob,
      session: true,
      reconnect: () => false
    })
    const [error] = await once(bob, 'error')
    expect(error).to.include({ code: 'ERR_PROTOCOL', closeCode: 'unsupported' })
    await expectUntouched(world)
    // The same name as ann's, by the server's own word: then bob may go on with it.
    names.delete('bob')
    const next = await ask(world, cast.bob, stolenFrom(world, 1))
    expect(lookupOf(next.answer)).to.equal('resumed')
  })
})
