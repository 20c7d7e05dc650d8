import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenError } from '../../lib'
import { closesWhatItOpened, makeClient, startServer, until } from '../helpers/loopback'
import { settled } from '../helpers/moments'

const WINDOW = 64 * 1024
const TOKEN = Buffer.alloc(1020, 'token')

describe('H2 a handler that hangs', () => {
  closesWhatItOpened()

  interface Scene {
    readonly client: TokenClient
    readonly connection: Connection
    /** Goes on with those that hang. */
    readonly done: (() => void)[]
  }

  async function begin(concurrency: number): Promise<Scene> {
    const { server, port } = await startServer({ receiveWindow: WINDOW })
    const done: (() => void)[] = []
    server.handle(() => new Promise<void>(resolve => done.push(resolve)), { concurrency })
    const accepted = once(server, 'connection')
    const client = await makeClient(port, { outboxBytes: 16 * 1024 * 1024 })
    const [connection] = (await accepted) as [Connection]
    if (client.connection === null) await once(client, 'connect')
    return { client, connection, done }
  }

  const fateOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'done',
      (error: TokenError) => `${error.code} ${error.reason}`
    )

  for (const concurrency of [1, 10_000]) {
    it(`H2 stops the sender by its credit, with concurrency ${concurrency}, and lets it go on when it does`, async () => {
      const { client, connection, done } = await begin(concurrency)
      for (let i = 0; i < 1000; i++) expect(client.send(TOKEN)).to.equal(true)
      await until(() => connection.tokensReceived + connection.unreadBytes / 1024 >= WINDOW / 1024)
      await settled()
      // Up to one more: a token may begin as long as a byte of credit is left.
      const held = connection.tokensReceived + connection.unreadBytes / 1024
      expect(held).to.be.within(WINDOW / 1024, WINDOW / 1024 + 1)
      expect(client.connection?.tokensUnsent).to.equal(1000 - held)
      let settledTokens = 0
      while (settledTokens < 1000) {
        await until(() => done.length > settledTokens)
        done[settledTokens++]?.()
      }
      await until(() => client.connection?.tokensUnsent === 0 && connection.unreadBytes === 0)
    })
  }

  it('H2 the timeout of who asks passes, and the token stays with the handler, once', async () => {
    const { client, connection, done } = await begin(2)
    const first = fateOf(client.request(TOKEN, { timeout: 50 }))
    expect(await first).to.equal('ERR_FATE_UNKNOWN timeout')
    const second = client.request(TOKEN)
    await until(() => done.length === 2)
    for (const resolve of done) resolve()
    expect((await second).length).to.equal(0)
    expect([done.length, connection.tokensReceived, client.connection?.isOpen]).to.deep.equal([2, 2, true])
  })

  it('H2 close({ timeout }) tells the truth: settled ones are done, begun ones unknown, the others not sent', async () => {
    const { client, connection, done } = await begin(3)
    const fates = Array.from({ length: 6 }, () => fateOf(client.deliver(TOKEN)))
    await until(() => done.length === 3)
    done[0]?.()
    await until(() => done.length === 4)
    connection.close({ timeout: 100 })
    const info = await connection.closed
    expect(info.code).to.equal('ERR_CLOSE_TIMEOUT')
    expect((await Promise.all(fates)).map(fate => fate.split(' ')[0])).to.deep.equal([
      'done',
      'ERR_FATE_UNKNOWN',
      'ERR_FATE_UNKNOWN',
      'ERR_FATE_UNKNOWN',
      'ERR_NOT_SENT',
      'ERR_NOT_SENT'
    ])
    expect(done).to.have.length(4)
    // They go on in vain, and harm nobody.
    for (const resolve of done) resolve()
    await settled()
  })

  it('H2 the asker that closes waits for its answers within its own timeout', async () => {
    const { client, done } = await begin(3)
    const fates = Array.from({ length: 2 }, () => fateOf(client.request(TOKEN)))
    await until(() => done.length === 2)
    client.close({ timeout: 1_000 })
    done[1]?.()
    await client.closed
    expect((await Promise.all(fates)).map(fate => fate.split(' ')[0])).to.deep.equal([
      'ERR_FATE_UNKNOWN',
      'done'
    ])
  })
})
