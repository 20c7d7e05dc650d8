import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClientOptions } from '../../lib'
import { closesWhatItOpened, makeClient, onCleanUp, startServer, until } from '../helpers/loopback'

const ENDS: Record<string, (connection: Connection) => void> = {
  'destroy()': connection => connection.destroy(),
  'close()': connection => void connection.close(),
  'destroy(), then close()': connection => {
    connection.destroy()
    connection.close()
  },
  'close(), then destroy()': connection => {
    connection.close()
    connection.destroy()
  }
}

const ANSWERS: Record<string, () => boolean> = {
  yes: () => true,
  no: () => false,
  'an exception': () => {
    throw new Error('in authorize')
  }
}

describe('a connection that authorize ends while it is asked', () => {
  closesWhatItOpened()

  for (const protocol of ['token/1', 'token/2'] as const) {
    for (const [end, endIt] of Object.entries(ENDS)) {
      for (const when of ['at once', 'later']) {
        it(`is refused once whatever the answer is, and nothing of it stays (${protocol}, ${end} ${when})`, async () => {
          for (const [name, answer] of Object.entries(ANSWERS)) {
            const events: string[] = []
            const { server, port } = await startServer({
              protocol,
              authorize: async (_peer, connection) => {
                if (when === 'later') await new Promise(resolve => setImmediate(resolve))
                endIt(connection)
                return answer()
              }
            })
            server.on('connection', () => events.push('connection'))
            server.on('refused', () => events.push('refused'))
            const client = await makeClient(port, { protocol } as Partial<TokenClientOptions>)
            await client.closed
            await until(() => server.pendingHandshakes === 0 && events.length > 0)
            expect([events, server.connections.size], name).to.deep.equal([['refused'], 0])
            server.close()
            expect((await server.closed).code, name).to.equal('normal')
          }
        })
      }
    }
  }

  it('at a resume leaves its session waiting for another dial, and the session goes on', async () => {
    let asked = 0
    const { server, port } = await startServer({
      session: true,
      authorize: (_peer, connection) => {
        asked++
        if (asked === 2) connection.destroy()
        if (asked === 3) connection.close()
        return true
      }
    })
    const got: string[] = []
    server.on('token', token => got.push(String(token)))
    const client = await makeClient(port, { session: true, reconnect: () => 5 })
    onCleanUp(() => client.close({ timeout: 0 }))
    await once(client, 'connect')
    const resumed = once(client, 'resumed')
    client.connection?.socket.destroy()
    const promise = client.deliver(Buffer.from('x'))
    await resumed
    await promise
    expect([asked, got, server.connections.size]).to.deep.equal([4, ['x'], 1])
  })
})
