import { type EventEmitter, once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import { expect } from 'chai'
import {
  Connection,
  type ConnectionEvents,
  type TokenClient,
  type TokenClientEvents,
  type TokenClientOptions,
  TokenServer,
  type TokenServerEvents,
  type TokenServerOptions
} from '../../lib'
import { FakeClock } from '../../lib/testing'
import { certificates } from '../helpers/certificates'
import {
  closesWhatItOpened,
  freePort,
  makeClient,
  makeServer,
  onCleanUp,
  serverOptions,
  until
} from '../helpers/loopback'
import { escapedDuring, settled } from '../helpers/moments'

const clock = new FakeClock()
let restoreClock = () => {}

const KINDS = ['token/1', 'token/2', 'session'] as const
type Kind = (typeof KINDS)[number]
const HONEST: readonly Kind[] = ['token/2', 'session']

/** Throws whenever it is called, and counts. */
class Bomb {
  count = 0

  readonly explode = (): never => {
    this.count++
    throw new Error('of the listener')
  }
}

/** One server, the client whose life is disturbed, and one that must not notice. */
interface World {
  readonly kind: Kind
  readonly server: TokenServer
  readonly port: number
  readonly client: TokenClient
  readonly bystander: TokenClient
}

interface Scenario {
  readonly event: string
  readonly kinds?: readonly Kind[]
  readonly title?: string
  readonly server?: TokenServerOptions | (() => TokenServerOptions | Promise<TokenServerOptions>)
  readonly client?: Partial<TokenClientOptions>
  /** Before the client has connected. */
  readonly early?: (world: World) => unknown
  /** Once it has. Without it the life of a client and its end bring the event. */
  readonly provoke?: (world: World) => unknown
}

/** The connection of the client on its server. */
function connectionOf({ server, client }: World): Connection {
  const own = client.connection?.socket as Socket | undefined
  const found = [...server.connections].find(({ socket }) => (socket as Socket).remotePort === own?.localPort)
  if (found === undefined) throw new Error('the client has no connection')
  return found
}

/** As `once`, but called before a listener that throws, after which `emit` calls no other. */
function first(emitter: Pick<EventEmitter, 'prependOnceListener'>, event: string): Promise<unknown[]> {
  return new Promise(resolve => emitter.prependOnceListener(event, (...values) => resolve(values)))
}

const cut = ({ client }: World) => client.connection?.socket.destroy()
const breakBoth = (world: World) => {
  connectionOf(world).socket.destroy()
  cut(world)
}
const fill = (sender: { send(token: Buffer): boolean } | null) => sender?.send(Buffer.alloc(200_000))

/** Takes the listeners of both sides away, until both have told of a token that nobody takes. */
async function leaveUntaken(world: World): Promise<void> {
  const { server, client } = world
  const told = [first(server, 'unconsumed'), first(client, 'unconsumed')]
  for (const side of [server, client]) side.removeAllListeners('token')
  client.send(Buffer.from('to the server'))
  connectionOf(world).send(Buffer.from('to the client'))
  await Promise.all(told)
  client.on('token', () => {})
  server.on('token', (token, connection) => connection.send(token))
}

const QUICK = { consumerTimeout: 20 }

async function stranger({ port }: World): Promise<void> {
  await (await makeClient(port, (await certificates()).bad.stranger)).closed
}

/** The session of the client waits, and somebody else needs its place. */
async function evict(world: World): Promise<void> {
  const detached = first(connectionOf(world), 'detached')
  cut(world)
  await detached
  const next = await makeClient(world.port, kindOptions(world.kind))
  await once(next, 'connect')
  next.close()
  await next.closed
}

const SERVER_EVENTS: readonly Scenario[] = [
  { event: 'connect' },
  { event: 'connection' },
  { event: 'token' },
  { event: 'refused', title: 'a stranger', provoke: stranger },
  {
    event: 'refused',
    title: 'a stalled handshake',
    server: { handshakeTimeout: 400 },
    provoke: async ({ port }) => {
      const socket = connectTcp(port, '127.0.0.1')
      onCleanUp(() => socket.destroy())
      socket.on('error', () => {})
      await once(socket.resume(), 'close')
    }
  },
  {
    event: 'refused',
    title: 'a handshake that the end of the server cuts',
    provoke: async ({ server, port }) => {
      const socket = connectTcp(port, '127.0.0.1')
      onCleanUp(() => socket.destroy())
      socket.on('error', () => {})
      await until(() => server.pendingHandshakes === 1)
      server.close()
      await once(socket.resume(), 'close')
    }
  },
  {
    event: 'refused',
    title: 'too many connections',
    server: { maxConnections: 2 },
    provoke: async ({ port }) => (await makeClient(port)).closed
  },
  {
    event: 'refused',
    title: 'too many of one identity',
    server: { maxConnectionsPerIdentity: 2 },
    provoke: async ({ port, kind }) =>
      (await makeClient(port, { ...kindOptions(kind), reconnect: (): false => false })).closed
  },
  {
    event: 'refused',
    title: 'authorize says no',
    server: {
      authorize: (_peer, connection) => (connection.socket as { servername?: string }).servername !== 'no'
    },
    provoke: async ({ port, kind }) => {
      const over = {
        ...kindOptions(kind),
        servername: 'no',
        checkServerIdentity: () => undefined,
        reconnect: (): false => false
      }
      await (await makeClient(port, over)).closed
    }
  },
  {
    event: 'connectionError',
    kinds: ['token/1', 'token/2'],
    provoke: world => connectionOf(world).socket.destroy()
  },
  {
    event: 'connectionError',
    kinds: ['session'],
    server: { session: { resumeTimeout: 20 } },
    client: { reconnect: () => 200 },
    provoke: cut
  },
  { event: 'resumed', kinds: ['session'], provoke: cut },
  {
    event: 'session-lost',
    kinds: ['session'],
    server: { maxSessions: 2 },
    client: { reconnect: () => 500 },
    provoke: evict
  },
  {
    event: 'dropped',
    // The budget looks at the queues each second.
    server: () => {
      restoreClock = clock.install()
      onCleanUp(restoreClock)
      return { slowConsumer: 'drop', maxQueueAge: 10, closeTimeout: 50 }
    },
    // It takes no token: close() waits for it in vain.
    client: { closeTimeout: 50 },
    provoke: async world => {
      world.client.removeAllListeners('token')
      const connection = connectionOf(world)
      const seen = first(world.server, 'dropped')
      while (connection.tokensUnsent < 20) connection.send(Buffer.alloc(500_000))
      await clock.elapse(3_000)
      await seen
      restoreClock()
    }
  },
  {
    event: 'certificate-expiring',
    server: async () => {
      const { createAuthority } = await import('@token-server/certs')
      const { ca } = await certificates()
      const authority = await createAuthority({ name: 'of the short lived' })
      const pair = await authority.issueServer({ notAfter: new Date(Date.now() + 3_600_000) })
      return { ...pair, ca: [ca, authority.cert] }
    },
    client: { rejectUnauthorized: false }
  },
  { event: 'peer-certificate-expiring', server: { expiryNoticeDays: [4000] } },
  {
    event: 'crl-expiring',
    server: async () => {
      const { createAuthority } = await import('@token-server/certs')
      const { ca, crl } = await certificates()
      const authority = await createAuthority({ name: 'of the short lived' })
      const dates = {
        thisUpdate: new Date(Date.now() - 3_600_000),
        nextUpdate: new Date(Date.now() + 600_000)
      }
      return { ca: [ca, authority.cert], crl: [crl, await authority.createCrl([], dates)] }
    }
  },
  { event: 'unconsumed', server: QUICK, client: QUICK, provoke: leaveUntaken },
  { event: 'close' }
]

const CLIENT_EVENTS: readonly Scenario[] = [
  { event: 'connect' },
  { event: 'token' },
  { event: 'drain', early: ({ client }) => fill(client), provoke: ({ client }) => fill(client) },
  {
    event: 'undeliverable',
    kinds: HONEST,
    server: { maxTokenLength: 300_000 },
    early: ({ client }) => client.send(Buffer.alloc(300_001))
  },
  { event: 'goaway', kinds: HONEST, provoke: world => connectionOf(world).goaway() },
  { event: 'disconnect', provoke: cut },
  { event: 'reconnecting', provoke: cut },
  { event: 'resumed', kinds: ['session'], provoke: cut },
  {
    event: 'session-lost',
    kinds: ['session'],
    server: { maxSessions: 2 },
    client: { reconnect: () => 500 },
    provoke: evict
  },
  { event: 'error', client: { reconnect: (): false => false }, provoke: cut },
  { event: 'certificate-expiring', client: { expiryNoticeDays: [4000] } },
  { event: 'unconsumed', server: QUICK, client: QUICK, provoke: leaveUntaken },
  { event: 'close' }
]

const CONNECTION_EVENTS: readonly Scenario[] = [
  { event: 'open' },
  { event: 'token' },
  { event: 'goaway', kinds: HONEST, provoke: world => connectionOf(world).goaway() },
  { event: 'detached', kinds: ['session'], provoke: cut },
  { event: 'resumed', kinds: ['session'], provoke: cut },
  {
    event: 'session-lost',
    kinds: ['session'],
    server: { maxSessions: 2 },
    client: { reconnect: () => 500 },
    provoke: evict
  },
  { event: 'error', kinds: ['token/1', 'token/2'], provoke: breakBoth },
  { event: 'drain', provoke: ({ client }) => fill(client.connection) },
  { event: 'unconsumed', server: QUICK, client: QUICK, provoke: leaveUntaken },
  { event: 'close' }
]

/** Of the server's end only a client is told. */
const NOT_AT_A_SERVER: readonly string[] = ['goaway']

function kindOptions(kind: Kind): Partial<TokenClientOptions> {
  if (kind === 'session') return { session: true }
  return { protocol: kind }
}

/** What keeps the process alive: sockets, servers, timers. */
function handles(): number {
  return process.getActiveResourcesInfo().filter(name => /Socket|Server|TLS|Timeout/.test(name)).length
}

type Where = 'server' | 'client' | 'connection of the server' | 'connection of the client'

async function live(
  kind: Kind,
  where: Where,
  scenario: Scenario,
  bomb: Bomb
): Promise<Record<string, number>> {
  const closes: Record<string, number> = {}
  const count = (name: string) => {
    closes[name] ??= 0
    return () => {
      closes[name] = (closes[name] as number) + 1
    }
  }
  const own = typeof scenario.server === 'function' ? await scenario.server() : scenario.server
  const server = await makeServer({
    closeTimeout: 1000,
    highWaterMark: 1024,
    ...(kind === 'session' && { session: true }),
    ...own
  })
  const listening = first(server, 'connect')
  let connections = 0
  server.on('connection', connection => {
    connection.on('close', count(`connection ${++connections}`))
    if (where === 'connection of the server') connection.on(scenario.event as 'open', bomb.explode)
  })
  server.on('token', (token, connection) => connection.send(token))
  server.on('close', count('server'))
  if (where === 'server') server.on(scenario.event as 'connect', bomb.explode)
  await listening
  const { port } = server.address() as { port: number }
  const insecure = scenario.client?.rejectUnauthorized === false ? { rejectUnauthorized: false } : {}
  const shared = { ...kindOptions(kind), ...insecure, closeTimeout: 1000, highWaterMark: 1024 }
  const bystander = await makeClient(port, { ...shared, reconnect: () => 5 })
  await once(bystander, 'connect')
  const client = await makeClient(port, { ...shared, reconnect: () => 5, ...scenario.client })
  const world: World = { kind, server, port, client, bystander }
  client.on('token', () => {})
  client.on('close', count('client'))
  if (where === 'connection of the client') {
    client.on('connect', () => client.connection?.on(scenario.event as 'open', bomb.explode))
  }
  if (where === 'client') client.on(scenario.event as 'connect', bomb.explode)
  const connected = first(client, 'connect')
  await scenario.early?.(world)
  await connected
  const answered = first(client, 'token')
  client.send(Buffer.from('there and back'))
  await answered
  await scenario.provoke?.(world)
  if (scenario.event !== 'close') await until(() => bomb.count > 0)
  if (server.address() !== null) {
    const echo = once(bystander, 'token')
    bystander.send(Buffer.from('the other'))
    expect(String((await echo)[0]), 'the other client').to.equal('the other')
  }
  client.close()
  await client.closed
  bystander.close()
  await bystander.closed
  server.close()
  await server.closed
  return closes
}

describe('Listeners that throw', () => {
  closesWhatItOpened()

  const tables: readonly [Where, readonly Scenario[]][] = [
    ['server', SERVER_EVENTS],
    ['client', CLIENT_EVENTS],
    ['connection of the server', CONNECTION_EVENTS.filter(({ event }) => !NOT_AT_A_SERVER.includes(event))],
    ['connection of the client', CONNECTION_EVENTS]
  ]
  for (const [where, scenarios] of tables) {
    for (const scenario of scenarios) {
      for (const kind of scenario.kinds ?? KINDS) {
        const about = scenario.title === undefined ? '' : ` (${scenario.title})`
        it(`an exception in a listener of '${scenario.event}'${about} of a ${where} is uncaught and harms nothing (${kind})`, async () => {
          const bomb = new Bomb()
          let closes: Record<string, number> = {}
          await settled()
          const before = handles()
          const { uncaught, unhandled } = await escapedDuring(async () => {
            closes = await live(kind, where, scenario, bomb)
            await until(() => handles() <= before)
          })
          expect(unhandled, 'unhandled rejections').to.deep.equal([])
          expect(bomb.count, 'the listener was called').to.be.greaterThan(0)
          expect(uncaught.map(String)).to.deep.equal(Array(bomb.count).fill('Error: of the listener'))
          for (const [name, count] of Object.entries(closes))
            expect(count, `'close' of the ${name}`).to.equal(1)
        })
      }
    }
  }

  it("an exception in a listener of 'error' of a server is uncaught, and 'close' comes", async () => {
    const port = await freePort()
    const bomb = new Bomb()
    let closes = 0
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const first = await makeServer({ port })
      await once(first, 'connect')
      const second = new TokenServer(await serverOptions({ port }))
      second.on('error', bomb.explode)
      second.on('close', () => closes++)
      expect((await second.closed).code).to.equal('ERR_LISTEN')
    })
    expect([bomb.count, closes, uncaught.length, unhandled.length]).to.deep.equal([1, 1, 1, 0])
  })

  it("an exception in a listener of 'undeliverable' of a connection is uncaught, and the tokens behind it leave", async () => {
    const bomb = new Bomb()
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const [a, b] = duplexPair()
      const left = new Connection(a, { protocol: 'token/2', role: 'client' })
      const right = new Connection(b, { protocol: 'token/2', role: 'server', maxTokenLength: 16_384 })
      left.on('undeliverable', bomb.explode)
      left.send(Buffer.alloc(16_385))
      const fate = left.deliver(Buffer.from('behind it'))
      const [token] = await once(right, 'token')
      expect(String(token)).to.equal('behind it')
      await fate
      left.close()
      await Promise.all([left.closed, right.closed])
    })
    expect([bomb.count, uncaught.length, unhandled.length]).to.deep.equal([1, 1, 0])
  })

  it('are tried for each event that there is', () => {
    const events = (scenarios: readonly Scenario[]) => new Set(scenarios.map(({ event }) => event))
    const server: Record<keyof TokenServerEvents, true> = {
      connect: true,
      connection: true,
      token: true,
      refused: true,
      connectionError: true,
      resumed: true,
      'session-lost': true,
      dropped: true,
      handlerError: true,
      'peer-certificate-expiring': true,
      'crl-expiring': true,
      'certificate-expiring': true,
      error: true,
      unconsumed: true,
      close: true
    }
    const client: Record<keyof TokenClientEvents, true> = {
      connect: true,
      token: true,
      drain: true,
      undeliverable: true,
      handlerError: true,
      goaway: true,
      disconnect: true,
      resumed: true,
      'session-lost': true,
      reconnecting: true,
      error: true,
      unconsumed: true,
      'certificate-expiring': true,
      close: true
    }
    const connection: Record<keyof ConnectionEvents, true> = {
      open: true,
      token: true,
      drain: true,
      undeliverable: true,
      handlerError: true,
      goaway: true,
      detached: true,
      resumed: true,
      'session-lost': true,
      error: true,
      unconsumed: true,
      close: true
    }
    // What has a test of its own above.
    expect([...events(SERVER_EVENTS), 'error', 'handlerError']).to.have.members(Object.keys(server))
    expect([...events(CLIENT_EVENTS), 'handlerError']).to.have.members(Object.keys(client))
    expect([...events(CONNECTION_EVENTS), 'undeliverable', 'handlerError']).to.have.members(
      Object.keys(connection)
    )
  })

  it('can come from nowhere else: all events are told in one place', () => {
    const lib = `${__dirname}/../../../lib`
    const emitting = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter(
      file => file.endsWith('.ts') && /\.emit\(/.test(readFileSync(`${lib}/${file}`, 'utf8'))
    )
    expect(emitting.sort()).to.deep.equal(['connection/token-listeners.ts', 'runtime/application-call.ts'])
  })
})
