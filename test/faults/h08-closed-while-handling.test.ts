import { once } from 'node:events'
import { expect } from 'chai'
import type { TokenClient, TokenError, TokenServer } from '../../lib'
import { closesWhatItOpened, freePort, makeClient, makeServer, until } from '../helpers/loopback'

/** Tokens that the first server's handlers end in time, those that they do not, and those that wait. */
const QUICK = 50
const SLOW = 50
const WAITING = 200

describe('H8 a server that is closed while 100 handlers run', () => {
  closesWhatItOpened()

  for (const session of [false, true]) {
    for (const how of ['request', 'deliver'] as const) {
      it(`H8 by ${how}()${session ? ' in a session' : ''}: those that end in time are done, those that do not are unknown, the others go to the next server, and none runs twice`, async () => {
        const port = await freePort()
        const runs = new Map<number, string[]>()
        const ran = (token: Buffer, where: string) => {
          const id = token.readUInt32BE()
          runs.set(id, [...(runs.get(id) ?? []), where])
          return id
        }
        const ends: (() => void)[] = []
        const first = await listen(port, session)
        first.handle(
          async token => {
            const id = ran(token, 'first')
            await new Promise<void>(resolve => {
              if (id < QUICK) ends.push(resolve)
            })
            return Buffer.from('first')
          },
          { concurrency: QUICK + SLOW }
        )
        const client = await makeClient(port, { session, reconnect: () => 10 })
        await once(client, 'connect')
        const fates = Array.from({ length: QUICK + SLOW + WAITING }, (_, id) => fateOf(client, how, id))
        await until(() => runs.size === QUICK + SLOW)
        first.close({ timeout: 1_000 })
        // They end while it closes, which begins none in their place.
        for (const end of ends) end()
        await first.closed
        const second = await listen(port, session)
        second.handle(token => {
          ran(token, 'second')
          return Buffer.from('second')
        })
        const told = await Promise.all(fates)
        const expected = (id: number) => {
          if (id < QUICK) return how === 'request' ? 'first' : 'done'
          if (id < QUICK + SLOW) return 'ERR_FATE_UNKNOWN'
          return how === 'request' ? 'second' : 'done'
        }
        expect(told).to.deep.equal(told.map((_, id) => expected(id)))
        for (let id = 0; id < told.length; id++)
          expect(runs.get(id), `${id}`).to.deep.equal([id < QUICK + SLOW ? 'first' : 'second'])
      })
    }
  }

  async function listen(port: number, session: boolean): Promise<TokenServer> {
    const server = await makeServer({ port, session })
    await once(server, 'connect')
    return server
  }

  function fateOf(client: TokenClient, how: 'request' | 'deliver', id: number): Promise<string> {
    const token = Buffer.alloc(4)
    token.writeUInt32BE(id)
    return client[how](token).then(
      answer => (answer === undefined ? 'done' : String(answer)),
      (error: TokenError) => error.code
    )
  }
})
