import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Connection } from '../../lib'
import { certificates } from '../helpers/certificates'
import { closesWhatItOpened, connectPair, makeClient, onCleanUp, startServer } from '../helpers/loopback'
import { connectionPair, destroyPairs } from '../helpers/pairs'
import { ROOT } from '../helpers/program'

interface Heard {
  readonly name: string
  readonly message: Record<string, unknown>
}

/** The channels of the table in docs/api.md, with the names of what is in a message. */
function documented(): Map<string, string[]> {
  const api = readFileSync(join(ROOT, 'docs/api.md'), 'utf8')
  const section = api.split('\n## Observability\n')[1]?.split('\n## ')[0] ?? ''
  const rows = [...section.matchAll(/^\| `token-server:([\w:-]+)` \| (.*?) \|/gm)]
  return new Map(
    rows.map(([, name, fields]) => [
      name as string,
      [...(fields as string).matchAll(/`(\w+)`/g)].map(([, field]) => field as string)
    ])
  )
}

/** Hears all channels until the test is over. */
function listen(): Heard[] {
  const heard: Heard[] = []
  for (const name of documented().keys()) {
    const listener: ChannelListener = message => {
      heard.push({ name, message: message as Record<string, unknown> })
    }
    subscribe(`token-server:${name}`, listener)
    onCleanUp(() => unsubscribe(`token-server:${name}`, listener))
  }
  return heard
}

describe('diagnostics_channel', () => {
  closesWhatItOpened()
  afterEach(destroyPairs)

  it('has the channels of the table in docs/api.md, and no others', () => {
    const source = readFileSync(join(ROOT, 'lib/connection/lives.ts'), 'utf8')
    const made = [...source.matchAll(/new Diagnostic\(\s*'([\w:-]+)'/g)].map(([, name]) => name)
    expect([...documented().keys()].sort()).to.deep.equal(made.sort())
  })

  it('tells the life of a server, a client and their connection, on both sides', async () => {
    const heard = listen()
    const { server } = await startServer()
    const { client, connection } = await connectPair(server)
    const own = client.connection as Connection
    client.close()
    await Promise.all([client.closed, connection.closed])
    server.close()
    await server.closed
    const of = (emitter: unknown) =>
      heard.filter(({ message }) => Object.values(message)[0] === emitter).map(({ name }) => name)
    expect(of(server)).to.deep.equal(['server:listening', 'server:close'])
    expect(of(client)).to.deep.equal(['client:dial', 'client:connect', 'client:close'])
    expect(of(connection)).to.deep.equal(['connection:open', 'connection:close'])
    expect(of(own)).to.deep.equal(['connection:open', 'connection:close'])
    for (const { name, message } of heard) {
      expect(Object.keys(message), name).to.deep.equal(documented().get(name))
      if (message.connection === connection) expect(message.owner).to.equal(server)
      if (message.connection === own) expect(message.owner).to.equal(client)
    }
  })

  it('tells who was refused, and of a client what it lost and when it dials again', async () => {
    const heard = listen()
    const { bad } = await certificates()
    const { server, port } = await startServer()
    const client = await makeClient(port, { ...bad.stranger, reconnect: () => 60_000 })
    await once(client, 'reconnecting')
    const names = heard.map(({ name }) => name)
    expect(names.filter(name => name !== 'client:dial')).to.have.members([
      'server:listening',
      'connection:refused',
      'client:disconnect',
      'client:reconnecting'
    ])
    for (const { name, message } of heard) {
      expect(Object.keys(message), name).to.deep.equal(documented().get(name))
      if (name === 'connection:refused') {
        expect(message.server).to.equal(server)
        expect(message.refusal).to.have.property('code', 'ERR_CERTIFICATE')
      }
      if (name === 'client:reconnecting') expect(message).to.include({ client, delay: 60_000, attempt: 1 })
    }
  })

  it('tells the cuts of a session', async () => {
    const heard = listen()
    const { server } = await startServer({ session: true })
    const { connection } = await connectPair(server, { session: true, reconnect: () => 1 })
    const resumed = once(server, 'resumed')
    connection.socket.destroy()
    await resumed
    const names = heard.filter(({ message }) => message.connection === connection).map(({ name }) => name)
    expect(names).to.deep.equal(['connection:open', 'connection:detached', 'connection:resumed'])
  })

  it('tells what a handler has thrown, of its own side alone', async () => {
    const heard = listen()
    const { server } = await startServer()
    const { client, connection } = await connectPair(server)
    const thrown = new Error('of the test')
    connection.handle(() => {
      throw thrown
    })
    await client.request(Buffer.from('x')).catch(() => {})
    const failures = heard.filter(({ name }) => name === 'connection:handler-error')
    expect(failures.map(({ message }) => message)).to.deep.equal([
      { connection, owner: server, error: thrown }
    ])
    expect(failures[0]?.message.error).to.equal(thrown)
  })

  it('tells a connection that nobody else owns, with no owner', async () => {
    const heard = listen()
    const [one, other] = connectionPair()
    await Promise.all([once(one, 'open'), once(other, 'open')])
    one.close()
    await Promise.all([one.closed, other.closed])
    const seen = heard.filter(({ message }) => message.connection === one)
    expect(seen.map(({ name }) => name)).to.deep.equal(['connection:open', 'connection:close'])
    for (const { message } of seen) expect(message.owner).to.equal(null)
  })
})
