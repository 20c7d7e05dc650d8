import { closesWhatItOpened, onCleanUp, temporaryFolder } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, RemoteError, Server } from '../../lib'

const KEY = 'A'.repeat(43)

/** As a program in JavaScript may give them. */
const ODD: readonly unknown[] = [
  undefined,
  null,
  0,
  Number.NaN,
  '',
  'x',
  7n,
  Symbol('s'),
  () => 1,
  {},
  [],
  new Uint8Array(3),
  'ws://',
  'http://[',
  Object.create(null)
]

describe('Whatever a call is given', function () {
  this.timeout(60_000)
  closesWhatItOpened()

  it('it fails with a RemoteError, if it fails', async () => {
    const device = new Server({ watch: true })
    onCleanUp(() => device.close({ timeout: 0 }))
    const { port } = await device.host(() => 1, KEY, { port: 0 })
    const [url, web] = [`ws://127.0.0.1:${port}`, `http://127.0.0.1:${port}`]
    const client = new Client({ timeoutLength: 2_000 })
    onCleanUp(() => client.close())
    await client.connect(url, KEY)
    const fresh = async (use: (client: Client) => unknown) => {
      const made = new Client({ timeoutLength: 300, connectTimeout: 300 })
      await Promise.resolve()
        .then(() => use(made))
        .finally(() => made.close())
    }
    const served = async (use: (server: Server) => unknown, keys?: unknown) => {
      const made = new Server({ keys: keys as never })
      await Promise.resolve()
        .then(() => use(made))
        .finally(() => made.close({ timeout: 0 }))
    }
    const invited = async () => (await device.keys.invite({ address: url, asks: false })).url
    const file = `${temporaryFolder()}/keys`
    await served(server => server.host(() => 1, KEY, { port: 0 }), { folder: file })
    const calls: Readonly<Record<string, (odd: never) => unknown>> = {
      server: odd => new Server(odd),
      client: odd => new Client(odd),
      url: odd => fresh(made => made.connect(odd, KEY)),
      key: odd => fresh(made => made.connect(url, odd)),
      retry: odd => fresh(made => made.connect(url, KEY, odd)),
      event: odd => client.send(odd),
      payload: odd => client.send('x', odd),
      options: odd => client.send('x', 1, odd),
      setEncryption: odd => fresh(made => made.setEncryption(odd)),
      state: odd => client.state(odd),
      lease: odd => client.lease(odd),
      watch: odd => client.watch(odd),
      describe: odd => client.describe(odd),
      renewJwt: odd => fresh(made => made.renewJwt(odd)),
      pair: odd => fresh(made => made.pair(odd, 'n')),
      pairByCode: odd => fresh(made => made.pairByCode(odd, 'ABCDE-12345', 'n')),
      code: odd => fresh(made => made.pairByCode(web, odd, 'n')),
      'pair options': async odd => fresh(async made => made.pair(await invited(), 'n', odd)),
      handler: odd => served(server => server.host(odd, KEY, { port: 0 })),
      'host options': odd => served(server => server.host(() => 1, KEY, odd ?? { port: 0 })),
      relay: odd => served(server => server.hostMiddleware(odd, () => 1, KEY)),
      'device key': odd => device.keys.setShared(odd),
      setEncryptionKey: odd => device.setEncryptionKey(odd),
      'state.set': odd => device.state.set(odd),
      invite: odd => device.keys.invite(odd),
      approve: odd => device.keys.approve(odd),
      revoke: odd => device.keys.revoke(odd),
      sharedInvitation: odd => device.keys.sharedInvitation(odd),
      setAddress: odd => device.keys.setAddress(odd),
      folder: odd =>
        typeof odd === 'string' && odd !== ''
          ? undefined
          : served(server => server.host(() => 1, KEY, { port: 0 }), { folder: odd })
    }
    const wrong: string[] = []
    for (const [name, call] of Object.entries(calls))
      for (const [index, odd] of ODD.entries())
        try {
          await call(odd as never)
        } catch (error) {
          if (!(error instanceof RemoteError)) wrong.push(`${name}, argument ${index}: ${error}`)
        }
    expect(wrong).to.deep.equal([])
    await served(
      async server => {
        const failed = await server.host(() => 1, KEY, { port: 0 }).catch((error: unknown) => error)
        expect(failed).to.be.instanceOf(RemoteError)
      },
      { folder: `${file}/keys.json/below` }
    )
  })
})
