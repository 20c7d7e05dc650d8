import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { expect } from 'chai'
import type { TokenClient, TokenClientOptions, TokenServerOptions } from '../../lib'
import { certificates } from '../helpers/certificates'
import {
  closesWhatItOpened,
  connectPair,
  freePort,
  makeClient,
  onCleanUp,
  startServer,
  until
} from '../helpers/loopback'
import { settled } from '../helpers/moments'

type Warning = Error & { code?: string; detail?: string }

/** The warnings of clients from now on until the test is over; none of them is printed. */
function warnings(): Warning[] {
  const seen: Warning[] = []
  const listener = (warning: Warning) => {
    if (warning.name === 'TokenClientWarning') seen.push(warning)
  }
  const printers = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', listener)
  onCleanUp(() => {
    process.removeListener('warning', listener)
    for (const printer of printers) process.on('warning', printer)
  })
  return seen
}

/** A client that only the test listens to. */
async function lonelyClient(port: number, over: Partial<TokenClientOptions> = {}): Promise<TokenClient> {
  const client = await makeClient(port, over)
  client.removeAllListeners('disconnect')
  return client
}

describe('A client that dials again in vain', () => {
  closesWhatItOpened()

  const cases: readonly {
    readonly title: string
    readonly says: RegExp
    readonly server?: () => Promise<TokenServerOptions>
    readonly client?: () => Promise<Partial<TokenClientOptions>>
  }[] = [
    {
      title: 'because the server does not trust it',
      says: /certificate-unknown/,
      client: async () => (await certificates()).bad.stranger
    },
    {
      title: 'because authorize says no',
      says: /not today/,
      server: () => Promise.resolve({ authorize: () => ({ reason: 'not today' }) })
    },
    {
      title: 'because it does not trust the server',
      says: /Cannot trust the server/,
      client: async () => ({ ca: (await certificates()).otherCa })
    },
    {
      title: 'because the server has another name',
      says: /elsewhere\.example|ALTNAME/,
      server: async () => (await certificates()).elsewhereServer
    },
    {
      title: 'because the server speaks another protocol',
      says: /APPLICATION_PROTOCOL|token\/2/,
      server: () => Promise.resolve({ protocol: 'token/1' }),
      client: () => Promise.resolve({ protocol: 'token/2' })
    },
    {
      title: 'because the server gives no sessions',
      says: /session/,
      client: () => Promise.resolve({ session: true })
    }
  ]

  for (const { title, says, server, client } of cases) {
    it(`${title} gives one warning`, async () => {
      const seen = warnings()
      const { port } = await startServer(await server?.())
      let dials = 0
      const reconnect = () => {
        dials++
        return 1
      }
      await lonelyClient(port, { reconnect, ...(await client?.()) })
      await until(() => dials >= 3)
      await settled()
      expect(seen.map(({ code }) => code)).to.deep.equal(['TOKEN_CLIENT_HOPELESS'])
      expect(seen[0]?.message).to.match(says)
      expect(seen[0]?.detail).to.contain('disconnect')
    })
  }

  it('gives another warning when the cause is another one', async () => {
    const seen = warnings()
    const answers = [{ reason: 'not today' }, false, { reason: 'not tomorrow' }]
    let isTrusted = true
    let dials = 0
    const { bad, client } = await certificates()
    const { port } = await startServer({ authorize: () => answers[dials % 3] as false })
    await lonelyClient(port, {
      key: () => (isTrusted ? client.key : bad.stranger.key),
      cert: () => (isTrusted ? client.cert : bad.stranger.cert),
      reconnect: () => {
        isTrusted = ++dials < 4
        return 1
      }
    })
    await until(() => dials >= 6)
    await settled()
    expect(seen.map(({ message }) => /certificate-unknown|refused/.exec(message)?.[0])).to.have.length(2)
  })

  for (const event of ['disconnect', 'reconnecting'] as const) {
    it(`gives no warning when somebody listens for '${event}', which has the cause`, async () => {
      const seen = warnings()
      const { port } = await startServer({ authorize: () => false })
      let told = 0
      const client = await lonelyClient(port, { reconnect: () => 1 })
      client.on(event, () => told++)
      await until(() => told >= 2)
      await settled()
      expect(seen).to.deep.equal([])
    })
  }

  it('because nobody listens there, gives no warning: time may mend it', async () => {
    const seen = warnings()
    let dials = 0
    const reconnect = () => {
      dials++
      return 1
    }
    await lonelyClient(await freePort(), { reconnect, refusedRetryTimeout: 0 })
    await until(() => dials >= 3)
    await settled()
    expect(seen).to.deep.equal([])
  })

  it('without reconnect gives no warning: its error is told', async () => {
    const seen = warnings()
    const { port } = await startServer({ authorize: () => false })
    const client = await lonelyClient(port)
    await client.closed
    await settled()
    expect(seen).to.deep.equal([])
  })
})

describe('A client of a server that names no protocol, as those of 1.x', () => {
  closesWhatItOpened()

  /** It reads what comes, and says nothing. */
  async function silentServer(): Promise<number> {
    const { ca, server } = await certificates()
    const silent = createServer({ ca, ...server, requestCert: true }, socket => {
      socket.on('error', () => {})
      socket.resume()
      onCleanUp(() => socket.destroy())
    }).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onCleanUp(() => silent.close())
    return (silent.address() as AddressInfo).port
  }

  it('is connected, and gives a warning of it, one for all its dials', async () => {
    const seen = warnings()
    const port = await silentServer()
    const client = await lonelyClient(port)
    for (let i = 0; i < 2; i++) {
      if (i > 0) client.connect()
      await once(client, 'connect')
      client.close({ timeout: 0 })
      await client.closed
    }
    await settled()
    expect(seen.map(({ code }) => code)).to.deep.equal(['TOKEN_CLIENT_NO_ALPN'])
    expect(seen[0]?.message).to.contain(`127.0.0.1:${port}`)
    expect(seen[0]?.detail).to.match(/protocol: 'token\/1'.*1\.x/)
  })

  it("gives none when option protocol is 'token/1', nor does a client of a server of 2.x", async () => {
    const seen = warnings()
    await once(await lonelyClient(await silentServer(), { protocol: 'token/1' }), 'connect')
    for (const protocol of ['token/1', 'token/2'] as const) {
      const { server } = await startServer({ protocol })
      await connectPair(server)
    }
    await settled()
    expect(seen).to.deep.equal([])
  })
})
