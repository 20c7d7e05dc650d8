import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import type { Connection, IncomingToken, TokenClient, TokenClientOptions, TokenServer } from '../../lib'
import { pattern } from '../helpers/bytes'
import {
  clientOptions,
  closesWhatItOpened,
  connectPair,
  freePort,
  onCleanUp,
  portOf,
  serverOptions,
  startServer
} from '../helpers/loopback'
import { ROOT } from '../helpers/program'
import { loadInRealm, type Realm } from '../helpers/realm'

/** Of Node, and told from what only looks like it: `false` is always right. */
const ALLOWED = ['lib/sending/write-loop.ts: Socket']

describe('The library', () => {
  it('asks instanceof of its own classes only, and so does that of certificates', () => {
    const files = ['lib', 'certs-scripts/lib'].flatMap(folder =>
      (readdirSync(join(ROOT, folder), { recursive: true }) as string[])
        .filter(name => name.endsWith('.ts'))
        .map(name => join(folder, name))
    )
    const texts = files.map(name => readFileSync(join(ROOT, name), 'utf8').replace(/^ *(\/\/|\*).*$/gm, ''))
    const own = new Set(texts.flatMap(text => [...text.matchAll(/\bclass (\w+)/g)].map(match => match[1])))
    const foreign = texts.flatMap((text, i) =>
      [...text.matchAll(/\binstanceof (\w+)/g)]
        .filter(([, name]) => !own.has(name))
        .map(([, name]) => `${files[i]}: ${name}`)
    )
    expect(own).to.include('TokenError')
    expect(foreign).to.deep.equal(ALLOWED)
  })
})

describe('What moves bytes', () => {
  it('is taken of Node when the library is loaded, and from nowhere else', () => {
    const folder = join(ROOT, 'lib')
    for (const name of readdirSync(folder, { recursive: true }) as string[]) {
      if (!name.endsWith('.ts') || name === 'runtime/event-loop.ts') continue
      const text = readFileSync(join(folder, name), 'utf8')
      expect(text, name).to.not.match(/process\.nextTick|queueMicrotask/)
      if (/^(?! {2}setImmediate).*(?<![.\w])(set|clear)Immediate\(/m.test(text))
        expect(text, name).to.match(/import {[^}]*Immediate[^}]*} from '\.{1,2}\/(?:runtime\/)?event-loop'/)
    }
  })
})

describe('The built library in a realm of its own, as under a test runner', () => {
  closesWhatItOpened()

  let realm: Realm

  before(() => {
    realm = loadInRealm()
  })

  async function serve(over = {}): Promise<TokenServer> {
    const server = new realm.library.TokenServer(await serverOptions(over))
    onCleanUp(() => {
      server.close({ timeout: 0 })
      return server.closed
    })
    await once(server, 'connect')
    return server
  }

  async function dial(port: number, over: Partial<TokenClientOptions> = {}): Promise<TokenClient> {
    const client = new realm.library.TokenClient(await clientOptions(port, over))
    client.on('error', () => {})
    onCleanUp(() => {
      client.close({ timeout: 0 })
      return client.closed
    })
    return client
  }

  async function pair(over = {}): Promise<{ client: TokenClient; connection: Connection }> {
    const server = await serve(over)
    const accepted = once(server, 'connection')
    const client = await dial(portOf(server), over)
    const [connection] = (await accepted) as [Connection]
    if (client.connection === null) await once(client, 'connect')
    return { client, connection }
  }

  it('has other classes than Node', () => {
    expect(realm.run('Uint8Array')).to.not.equal(Uint8Array)
    expect(new realm.library.TokenError('ERR_SOCKET', 'Cannot')).to.not.be.instanceOf(Error)
    expect(realm.run('typeof setImmediate')).to.equal('undefined')
  })

  for (const protocol of ['token/1', 'token/2'] as const) {
    it(`sends and receives bytes of either realm over ${protocol}`, async () => {
      const { client, connection } = await pair({ protocol })
      const had: Buffer[] = []
      connection.on('token', token => had.push(token))
      const sent = [
        Buffer.from('a Buffer'),
        Uint8Array.of(1, 2, 3),
        realm.run('Uint8Array.of(4, 5, 6)') as Uint8Array,
        realm.run('new Uint8Array(1000000)') as Uint8Array
      ]
      for (const token of sent) client.send(token)
      while (had.length < sent.length) await once(connection, 'token')
      expect(had.map(token => Buffer.isBuffer(token))).to.deep.equal(Array(4).fill(true))
      expect(Buffer.concat(had).equals(Buffer.concat(sent))).to.equal(true)
      expect(() => client.send([1] as never)).to.throw(/must be a Buffer or Uint8Array/)
    })
  }

  it('sends from a stream of Node, and reads the token in pieces', async () => {
    const { client, connection } = await pair()
    const bytes = pattern(300_000)
    const sending = (client.connection as Connection).sendFrom(Readable.from([bytes]), bytes.length)
    const tokens = connection.incomingTokens()
    const { value } = await tokens.next()
    const pieces: Buffer[] = []
    for await (const piece of value as IncomingToken) pieces.push(piece)
    expect(Buffer.concat(pieces).equals(bytes)).to.equal(true)
    // Who asks for the next one has had this one.
    void tokens.next()
    await sending
  })

  it('destroys a stream of Node whose token is void', async () => {
    const { client } = await pair()
    const stream = new Readable({ read() {} })
    const sending = (client.connection as Connection).sendFrom(stream)
    stream.destroy(new Error('no more'))
    const error = await sending.catch(caught => caught)
    expect([error.code, error.cause?.message]).to.deep.equal(['ERR_NOT_SENT', 'no more'])
  })

  it('knows the peer, and resumes a session over a new transport', async () => {
    const { client, connection } = await pair({ session: true, reconnect: () => 1 })
    expect(connection.peer?.subject).to.be.a('string')
    expect(connection.peer?.isAuthorized).to.equal(true)
    const resumed = once(connection, 'resumed')
    connection.socket.destroy()
    await resumed
    const told = once(connection, 'token')
    await Promise.all([client.deliver(Buffer.from('a')), told])
  })

  it('tells the codes of the errors of Node', async () => {
    const closed = await dial(await freePort(), { refusedRetryTimeout: 0 })
    const { error } = await closed.closed
    expect(error?.code).to.equal('ERR_CONNECT')
    expect(error?.message).to.match(/failed with ECONNREFUSED$/)
    expect(error?.cause).to.include({ code: 'ECONNREFUSED' })
    const server = await serve()
    const stranger = await dial(portOf(server), { ca: undefined })
    const { error: distrust } = await stranger.closed
    expect(distrust?.code).to.equal('ERR_CERTIFICATE')
    const busy = new realm.library.TokenServer(await serverOptions({ port: portOf(server) }))
    busy.on('error', () => {})
    expect((await busy.closed).error?.message).to.match(/EADDRINUSE/)
  })

  it('takes options of either realm', async () => {
    const { ca, key, cert } = await serverOptions()
    const list = realm.run('value => [value]') as (value: unknown) => string[]
    const bytes = realm.run('value => Uint8Array.from(value)') as (value: unknown) => never
    const server = await serve({ ca: list(ca), key: bytes(Buffer.from(key as string)), cert: [cert] })
    server.reload({ ca: bytes(Buffer.from(ca as string)) })
    const aborted = new AbortController()
    const client = await dial(portOf(server), { ca: bytes(Buffer.from(ca as string)) })
    await once(client, 'connect')
    const delivering = client.deliver(Buffer.alloc(10), { signal: aborted.signal }).catch(error => error)
    aborted.abort()
    expect((await delivering).code).to.match(/^ERR_(NOT_SENT|FATE_UNKNOWN)$/)
    expect(() => server.reload({ key: 'no key' })).to.throw(/Cannot/)
  })

  it('moves bytes while all timers of the realm stand still', async () => {
    const own = loadInRealm()
    const usual = realm
    realm = own
    try {
      const { client, connection } = await pair({ session: true })
      const frozen = () => ({ ref() {}, unref() {}, refresh() {}, hasRef: () => false })
      Object.assign(own.globals, { setTimeout: frozen, setInterval: frozen, setImmediate: frozen })
      Object.assign(own.globals.process, { nextTick: () => {} })
      own.run('Date.now = () => 0')
      await exchange(client.connection as Connection, connection)
    } finally {
      realm = usual
    }
  })
})

describe('While a test has replaced the timers of Node', () => {
  closesWhatItOpened()

  const NAMES = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'] as const

  for (const protocol of ['token/1', 'token/2'] as const) {
    it(`bytes move over ${protocol}`, async () => {
      const { server } = await startServer({ protocol })
      const { client, connection } = await connectPair(server, { protocol })
      const timers = NAMES.map(name => globalThis[name])
      const frozen = () => ({ ref() {}, unref() {}, refresh() {}, hasRef: () => false })
      for (const name of NAMES) Object.assign(globalThis, { [name]: frozen })
      try {
        await exchange(client.connection as Connection, connection)
      } finally {
        for (const [i, name] of NAMES.entries()) Object.assign(globalThis, { [name]: timers[i] })
      }
    })
  }
})

/** Tokens both ways, more than leave in one turn of the event loop, and on token/2 their promises. */
async function exchange(one: Connection, other: Connection): Promise<void> {
  const big = pattern(2_000_000)
  const tokens = [...Array.from({ length: 5000 }, (_, i) => pattern(100, i)), big]
  let count = 0
  let bytes = 0
  const all = new Promise<void>(resolve => {
    for (const connection of [one, other]) {
      connection.on('token', token => {
        bytes += token.length
        if (++count === 2 * tokens.length) resolve()
      })
    }
  })
  const promises: Promise<void>[] = []
  for (const token of tokens) {
    for (const connection of [one, other]) {
      if (connection.protocol === 'token/2') promises.push(connection.deliver(token))
      else connection.send(token)
    }
  }
  await all
  await Promise.all(promises)
  expect(bytes).to.equal(2 * (5000 * 100 + big.length))
}
