import { once } from 'node:events'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { Connection } from '../../lib'
import { memoryPair } from '../../lib/testing'
import { clientOptions, closesWhatItOpened, connectPair, makeClient, startServer } from '../helpers/loopback'

describe('util.inspect shows in one line', () => {
  closesWhatItOpened()

  it('of a connection: its state, protocol, peer, address and queues', async () => {
    const { server, port } = await startServer({ session: true })
    const { client, connection } = await connectPair(server, { session: true })
    const { remotePort } = connection.socket as { remotePort?: number }
    expect(inspect(connection)).to.equal(
      `Connection ${connection.id} <open, token/2, session, CN=ann, 127.0.0.1:${remotePort}, 0 B to send, 0 B to take>`
    )
    expect(inspect(client.connection)).to.contain(`127.0.0.1:${port}`).and.contain('CN=server')
    client.close()
    await connection.closed
    expect(inspect(connection)).to.match(/^Connection c\d+ <closed, token\/2, .*CN=ann, 127\.0\.0\.1:/)
  })

  it('of a connection over any Duplex: what there is, also in an object and to any depth', async () => {
    const { a, b } = memoryPair()
    const one = new Connection(a)
    const other = new Connection(b)
    expect(inspect({ one })).to.equal(
      `{ one: Connection ${one.id} <opening, token/1, 0 B to send, 0 B to take> }`
    )
    expect(inspect({ deep: { in: { it: [one] } } }, { depth: 0 })).to.equal('{ deep: [Object] }')
    one.send(Buffer.alloc(10))
    expect(inspect(one)).to.contain(' 14 B to send')
    one.destroy()
    other.destroy()
    await Promise.all([one.closed, other.closed])
    expect(inspect(one)).to.contain('<closed, token/1, 0 B to send')
  })

  it('of a server: its state, address and how many are there', async () => {
    const { server, port } = await startServer()
    await connectPair(server)
    expect(inspect(server)).to.equal(
      `TokenServer <listening, 127.0.0.1:${port}, connections: 1, handshakes: 0, 0 B queued>`
    )
    server.close({ timeout: 0 })
    await server.closed
    expect(inspect(server)).to.equal('TokenServer <closed, connections: 0, handshakes: 0, 0 B queued>')
  })

  it('of a client: its state, its servers and its connection', async () => {
    const { server, port } = await startServer()
    const { client } = await connectPair(server)
    expect(inspect(client)).to.equal(
      `TokenClient <open, 127.0.0.1:${port}, ${client.connection?.id}, token/2, CN=server, 0 B to send>`
    )
    client.close()
    await client.closed
    expect(inspect(client)).to.equal(`TokenClient <closed, 127.0.0.1:${port}, 0 B to send>`)
    const { host: _host, port: _port, ...options } = await clientOptions(port)
    const servers = [{ host: '::1', port }, { path: '/nowhere' }]
    const other = await makeClient(port, { ...options, servers, reconnect: true })
    expect(inspect(other)).to.equal(`TokenClient <dialling, [::1]:${port} or /nowhere, 0 B to send>`)
    other.close()
    await once(other, 'close')
  })

  it('never a key, nor the bytes of a token', async () => {
    const { server } = await startServer()
    const { client, connection } = await connectPair(server)
    connection.send(Buffer.from('of this token'))
    const shown = [server, client, connection]
      .map(one => inspect(one, { depth: 10, showHidden: true }))
      .join()
    expect(shown).not.to.match(/PRIVATE|BEGIN|of this token/)
  })
})
