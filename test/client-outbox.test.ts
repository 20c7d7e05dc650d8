import { once } from 'node:events'
import { expect } from 'chai'
import type { TokenClient } from '../lib'
import { closesWhatItOpened, makeClient, startServer } from './helpers/loopback'
import { escapedDuring } from './helpers/moments'

describe('the outbox of a client', () => {
  closesWhatItOpened()

  describe("and a listener of 'undeliverable'", () => {
    /** Sends A, B, which is too long, C, D, and delivers E, before the connection is up. */
    async function run(listener: (client: TokenClient) => void) {
      const { server, port } = await startServer({ maxTokenLength: 100 })
      const got: string[] = []
      server.on('token', token => got.push(String(token)))
      const client = await makeClient(port)
      const told: string[] = []
      client.prependListener('undeliverable', token => told.push(`undeliverable ${token.length}`))
      client.on('undeliverable', () => listener(client))
      client.on('connect', () => told.push('connect'))
      for (const text of ['A', 'B'.repeat(200), 'C', 'D']) client.send(Buffer.from(text))
      const fate = client.deliver(Buffer.from('E')).then(
        () => 'handed',
        error => error.code
      )
      return { client, got, told, fate }
    }

    it('that throws takes nothing from the tokens behind it', async () => {
      const { uncaught, unhandled } = await escapedDuring(async () => {
        const { client, got, told, fate } = await run(() => {
          throw new Error('of the listener')
        })
        expect(await fate).to.equal('handed')
        client.close()
        expect(await client.closed).to.include({ code: 'normal', unsent: 0 })
        expect([got, told]).to.deep.equal([
          ['A', 'C', 'D', 'E'],
          ['undeliverable 200', 'connect']
        ])
      })
      expect([uncaught.length, unhandled.length]).to.deep.equal([1, 0])
    })

    it('that sends something in its place sends it behind the rest', async () => {
      const { client, got, fate } = await run(self => self.send(Buffer.from('cut B')))
      expect(await fate).to.equal('handed')
      client.close()
      await client.closed
      expect(got).to.deep.equal(['A', 'C', 'D', 'E', 'cut B'])
    })

    it('that destroys the connection takes away only what has not left, and it is counted', async () => {
      let isTaken: boolean | null = null
      const { client, got, fate } = await run(self => {
        self.connection?.destroy()
        isTaken = self.send(Buffer.from('X'))
      })
      const { unsent, unconfirmed } = await client.closed
      expect(isTaken).to.equal(false)
      expect(await fate).to.be.oneOf(['ERR_NOT_SENT', 'ERR_FATE_UNKNOWN'])
      expect(unsent + unconfirmed).to.equal(4)
      expect(['A', 'C', 'D', 'E'].slice(0, got.length)).to.deep.equal(got)
    })

    it('that closes the client flushes what was sent', async () => {
      const { client, got, fate } = await run(self => self.close())
      expect(await fate).to.equal('handed')
      await client.closed
      expect(got).to.deep.equal(['A', 'C', 'D', 'E'])
    })
  })

  it("takes what a listener of 'session-lost' sends, and close() there ends the client", async () => {
    const { server, port } = await startServer({ session: { resumeTimeout: 20 } })
    const client = await makeClient(port, { session: true, reconnect: () => 100 })
    await once(client, 'connect')
    let isClosed: boolean | null = null
    client.on('session-lost', () => {
      isClosed = client.close()
    })
    client.connection?.socket.destroy()
    await client.closed
    expect(isClosed).to.equal(true)
    expect(client.close()).to.equal(false)
    server.close()
  })
})
