import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenError, TokenServer } from '../../lib'
import { controlOf } from '../../lib/connection/connection'
import { closesWhatItOpened, makeClient, startServer, until } from '../helpers/loopback'
import { escapedDuring, settled } from '../helpers/moments'
import { TcpProxy } from '../helpers/tcp-proxy'

describe('H4 an answer after the cut', () => {
  closesWhatItOpened()

  interface Scene {
    readonly server: TokenServer
    readonly proxy: TcpProxy
    readonly client: TokenClient
    readonly connection: Connection
    /** Settles a token of this text. */
    readonly open: Map<string, (answer: Buffer) => void>
    readonly begun: string[]
  }

  async function begin(session: boolean): Promise<Scene> {
    const { server, port } = await startServer({ session })
    const open = new Map<string, (answer: Buffer) => void>()
    const begun: string[] = []
    server.handle(
      token => {
        begun.push(String(token))
        return new Promise<Buffer>(resolve => open.set(String(token), resolve))
      },
      { concurrency: 100 }
    )
    const proxy = await TcpProxy.to(port)
    const accepted = once(server, 'connection')
    const client = await makeClient(proxy.port, { session, ...(session && { reconnect: () => 5 }) })
    const [connection] = (await accepted) as [Connection]
    if (client.connection === null) await once(client, 'connect')
    return { server, proxy, client, connection, open, begun }
  }

  it('H4 in a session arrives after the resume, once, with the answers that were on their way', async () => {
    const { proxy, client, connection, open, begun } = await begin(true)
    const names = Array.from({ length: 60 }, (_, i) => `${i}`)
    const told: string[] = []
    const fates = names.map(name =>
      client.request(Buffer.from(name)).then(answer => told.push(`${name} ${answer}`))
    )
    await until(() => begun.length === names.length)
    const answer = (name: string) => open.get(name)?.(Buffer.from(`re ${name}`))
    // A third before, a third while there is no transport, a third after it.
    for (const name of names.slice(0, 20)) answer(name)
    proxy.cutAll()
    await until(() => connection.isDetached)
    for (const name of names.slice(20, 40)) answer(name)
    await until(() => client.connection?.isOpen === true)
    for (const name of names.slice(40)) answer(name)
    await Promise.all(fates)
    expect(told.sort()).to.deep.equal(names.map(name => `${name} re ${name}`).sort())
    expect(begun).to.have.length(names.length)
    await until(() => connection.retainedBytes === 0 && client.connection?.retainedBytes === 0)
    const { deliveries } = controlOf(client.connection as Connection).session
    expect([deliveries.size, deliveries.unanswered]).to.deep.equal([0, 0])
  })

  it('H4 without a session goes nowhere: the fate is unknown, and nothing stays', async () => {
    const escaped = await escapedDuring(async () => {
      const { server, proxy, client, connection, open, begun } = await begin(false)
      const fates = ['a', 'b'].map(name =>
        client.request(Buffer.from(name)).catch((error: TokenError) => error.code)
      )
      await until(() => begun.length === 2)
      proxy.cutAll()
      expect(await Promise.all(fates)).to.deep.equal(['ERR_FATE_UNKNOWN', 'ERR_FATE_UNKNOWN'])
      await connection.closed
      for (const resolve of open.values()) resolve(Buffer.alloc(1000))
      await settled()
      expect([connection.bufferedAmount, connection.retainedBytes]).to.deep.equal([0, 0])
      expect(server.connections.size).to.equal(0)
    })
    expect(escaped).to.deep.equal({ uncaught: [], unhandled: [] })
  })
})
