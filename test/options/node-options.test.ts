import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import net, { type AddressInfo, BlockList, isIPv6, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import tls, { type TLSSocket } from 'node:tls'
import { createAuthority } from '@token-server/certs'
import { expect } from 'chai'
import { TokenClient, type TokenClientOptions, TokenServer, type TokenServerOptions } from '../../lib'
import { CONNECT_CHECKS, CONTEXT_CHECKS, LISTEN_CHECKS, SERVER_CHECKS } from '../../lib/options/node-options'
import { type Certificates, certificates } from '../helpers/certificates'
import {
  clientOptions,
  closesWhatItOpened,
  connectPair,
  eventsOf,
  freePort,
  makeClient,
  makeServer,
  onCleanUp,
  portOf,
  serverOptions,
  startServer
} from '../helpers/loopback'
import { ROOT, remove, temporaryFolder } from '../helpers/program'
import { refusal } from '../helpers/refusal'

type Options = Record<string, unknown>

describe('each option of Node', () => {
  closesWhatItOpened()

  let all: Certificates
  let folder: string

  before(async () => {
    all = await certificates()
    folder = temporaryFolder()
  })

  after(() => remove(folder))

  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

  /** Of the context, for a server and a client; engines and PKCS #12 have tests of their own. */
  const ofTheContext = (): Options => ({
    // As lists, which no other test uses: a context that is known is not made again.
    ca: [all.ca],
    cert: [all.client.cert],
    key: [all.client.key],
    crl: all.crl,
    passphrase: 'a passphrase that no key needs',
    ciphers: 'TLS_AES_256_GCM_SHA384',
    dhparam: 'auto',
    ecdhCurve: 'P-256',
    honorCipherOrder: false,
    maxVersion: 'TLSv1.3',
    minVersion: 'TLSv1.2',
    // The bit against renegotiation is added, and is in it.
    secureOptions: 0x4000_4000,
    secureProtocol: 'TLS_method',
    sessionIdContext: 'mine',
    sessionTimeout: 100,
    sigalgs: 'ecdsa_secp256r1_sha256',
    ticketKeys: Buffer.alloc(48, 1)
  })
  const WITH_ENGINE = ['clientCertEngine', 'privateKeyEngine', 'privateKeyIdentifier', 'pfx']

  const ofTheServer = (): Options => ({
    SNICallback: () => {},
    enableTrace: false,
    keepAlive: false,
    keepAliveInitialDelay: 5_000,
    noDelay: false,
    pskCallback: () => null,
    pskIdentityHint: 'hint',
    rejectUnauthorized: false,
    requestCert: false,
    ...(hasBlockLists() && { blockList: new BlockList() })
  })

  const ofListen = (): Options => ({
    backlog: 5,
    exclusive: true,
    fd: 3,
    host: '127.0.0.1',
    ipv6Only: true,
    path: join(folder, 'x.sock'),
    port: 0,
    readableAll: true,
    writableAll: true,
    ...((major > 22 || (major === 22 && minor >= 12)) && { reusePort: true })
  })

  const ofConnect = (): Options => ({
    autoSelectFamily: false,
    autoSelectFamilyAttemptTimeout: 100,
    checkServerIdentity: () => undefined,
    enableTrace: false,
    family: 4,
    hints: 0,
    host: 'localhost',
    keepAlive: false,
    keepAliveInitialDelay: 5_000,
    localAddress: '127.0.0.1',
    localPort: 0,
    lookup: () => {},
    minDHSize: 2048,
    noDelay: false,
    path: join(folder, 'x.sock'),
    port: 1,
    pskCallback: () => null,
    rejectUnauthorized: false,
    secureContext: tls.createSecureContext(),
    servername: 'a.example',
    socket: new Socket()
  })

  /** What the test does not give a value to must be refused, whatever its value. */
  function refusedOf(checks: Options, taken: Options, others: string[] = []): string[] {
    return Object.keys(checks).filter(name => !Object.hasOwn(taken, name) && !others.includes(name))
  }

  it('an option of a server is taken, or refused with every value', () => {
    const refused = [
      ...refusedOf(SERVER_CHECKS, ofTheServer()),
      ...refusedOf(LISTEN_CHECKS, ofListen()),
      ...refusedOf(CONTEXT_CHECKS, ofTheContext(), [...WITH_ENGINE, 'allowPartialTrustChain'])
    ]
    expect(refused).to.include.members(['ALPNProtocols', 'allowPartialTrustChain', 'pauseOnConnect'])
    for (const name of refused) {
      for (const value of [true, false, 0, 1, 'x', {}, [], () => {}]) {
        const { code, message } = refusal(
          () => new TokenServer({ port: 0, [name]: value } as TokenServerOptions)
        )
        expect([code, message.split(': ')[0]]).to.deep.equal(['ERR_OPTION', `Cannot use option ${name}`])
      }
    }
  })

  it('an option of a client is taken, or refused with every value', () => {
    const refused = [
      ...refusedOf(CONNECT_CHECKS, ofConnect()),
      ...refusedOf(CONTEXT_CHECKS, { ...ofTheContext(), allowPartialTrustChain: true }, WITH_ENGINE)
    ]
    expect(refused).to.include.members(['timeout', 'onread', 'requestOCSP', 'blockList'])
    for (const name of refused) {
      for (const value of [true, false, 0, 1, 'x', {}, [], () => {}]) {
        const { code, message } = refusal(
          () => new TokenClient({ port: 1, [name]: value } as TokenClientOptions)
        )
        expect([code, message.split(': ')[0]]).to.deep.equal(['ERR_OPTION', `Cannot use option ${name}`])
      }
    }
  })

  it('an option that a server takes reaches Node as it was given', async () => {
    const created: Options[] = []
    const listened: Options[] = []
    await replaced(
      tls,
      'createServer',
      (real, options) => {
        created.push(options as Options)
        return real(options)
      },
      async () => {
        await replaced(
          net.Server.prototype,
          'listen',
          function (this: net.Server, _real, options) {
            listened.push(options as Options)
            return this
          },
          async () => {
            for (const [name, value] of Object.entries({
              ...ofTheServer(),
              ...ofTheContext(),
              ...ofListen()
            })) {
              const server = new TokenServer({
                ...(await serverOptions()),
                ...companions(name),
                [name]: value
              } as TokenServerOptions)
              server.close()
              await server.closed
              const given = Object.hasOwn(LISTEN_CHECKS, name) ? listened.at(-1) : created.at(-1)
              // A ticket must not outlive the trust that it stands on: the context is part of a hash.
              if (name === 'sessionIdContext') expect(given?.[name]).to.match(/^[\w-]{32}$/)
              // The certificate is looked at by the library: Node would refuse without a word.
              else if (name === 'rejectUnauthorized') expect(given?.[name]).to.equal(false)
              else expectGiven(given, name, value)
            }
          }
        )
      }
    )
  })

  it('an option that a client takes reaches Node as it was given', async () => {
    const contexts: Options[] = []
    const dialled: Options[] = []
    await replaced(
      tls,
      'createSecureContext',
      (real, options) => {
        contexts.push(options as Options)
        return real(options)
      },
      async () => {
        await replaced(
          tls,
          'connect',
          (_real, options) => {
            dialled.push(options as Options)
            return new Socket()
          },
          async () => {
            for (const [name, value] of Object.entries({
              ...ofConnect(),
              ...ofTheContext(),
              allowPartialTrustChain: true
            })) {
              const options = { ...(await clientOptions(1)), ...companions(name), [name]: value }
              const client = new TokenClient(options as TokenClientOptions)
              client.close()
              await client.closed
              const given = Object.hasOwn(CONTEXT_CHECKS, name) ? contexts.at(-1) : dialled.at(-1)
              // It is called through the one guarded call of application code; another test sees that it is called.
              if (name === 'checkServerIdentity') continue
              expectGiven(given, name, value)
            }
          }
        )
      }
    )
  })

  for (const options of [
    { privateKeyIdentifier: 'x', privateKeyEngine: 'none-such', key: undefined },
    { clientCertEngine: 'none-such' }
  ]) {
    it(`an option that names an engine is asked of OpenSSL: ${Object.keys(options)[0]}`, async () => {
      for (const make of [
        async () => new TokenServer({ ...(await serverOptions()), ...options } as TokenServerOptions),
        async () => new TokenClient({ ...(await clientOptions(1)), ...options } as TokenClientOptions)
      ]) {
        const error = await make().then(
          () => null,
          error => error
        )
        expect(error?.message).to.match(/Node refuses (?:it|them) with/)
      }
    })
  }

  /** Beside which an option may stand. */
  function companions(name: string): Options {
    if (name === 'path') return { port: undefined, host: undefined }
    if (name === 'readableAll' || name === 'writableAll') {
      return { ...companions('path'), path: join(folder, 'x.sock') }
    }
    if (name === 'fd') return { port: undefined, host: undefined }
    if (name === 'pskCallback') {
      return { requestCert: false, rejectUnauthorized: false, key: undefined, cert: undefined }
    }
    if (name === 'secureContext') return { key: undefined, cert: undefined, ca: undefined }
    if (name === 'key' || name === 'cert') return all.client as unknown as Options
    return {}
  }

  describe('of TCP', () => {
    for (const [given, noDelay, keepAlive] of [
      [{}, true, [true, 60_000]],
      [{ noDelay: false }, false, [true, 60_000]],
      [{ keepAlive: false }, true, [false, 60_000]],
      [{ keepAliveInitialDelay: 5_000 }, true, [true, 5_000]]
    ] as const) {
      it(`${JSON.stringify(given)} is obeyed on each connection, and by each transport of a session`, async () => {
        const asked: unknown[][] = []
        const note = (real: (...args: unknown[]) => unknown, ...args: unknown[]) => {
          asked.push(args)
          return real(...args)
        }
        await replaced(Socket.prototype, 'setNoDelay', note, async () => {
          await replaced(Socket.prototype, 'setKeepAlive', note, async () => {
            const { server } = await startServer({ ...given, session: true })
            const { client, connection } = await connectPair(server, {
              ...given,
              session: true,
              reconnect: () => 1
            })
            const resumed = once(client, 'resumed')
            connection.socket.destroy()
            await resumed
          })
        })
        // On two sides, for two transports.
        expect(asked).to.have.length.above(7)
        const kinds = new Set(asked.map(args => JSON.stringify(args)))
        expect([...kinds]).to.have.members([JSON.stringify([noDelay]), JSON.stringify(keepAlive)])
      })
    }
  })

  it('lookup, family and localAddress decide how a client dials', async () => {
    const { server, port } = await startServer()
    const asked: unknown[][] = []
    const { connection } = await connectPair(server, {
      host: 'localhost',
      family: 4,
      localAddress: '127.0.0.2',
      lookup: (host, options, callback) => {
        asked.push([host, options.family])
        ;(callback as (e: null, address: string, family: number) => void)(null, '127.0.0.1', 4)
      }
    })
    expect(asked).to.deep.equal([['localhost', 4]])
    expect((connection.socket as TLSSocket).remoteAddress).to.equal('127.0.0.2')
    expect(portOf(server)).to.equal(port)
  })

  it('host may be written as people write it: the certificate has it in ASCII', async () => {
    const authority = await createAuthority({ name: 'authority of a name' })
    const pair = await authority.issueServer({ hosts: ['münchen.example'] })
    const { server } = await startServer({ ...pair, ca: all.ca })
    await connectPair(server, {
      host: 'München.example',
      ca: authority.cert,
      family: 4,
      lookup: (_host, _options, callback) => {
        ;(callback as (e: null, address: string, family: number) => void)(null, '127.0.0.1', 4)
      }
    })
  })

  it('localPort is the port of each dial', async () => {
    const { server } = await startServer()
    const localPort = await freePort()
    const { connection } = await connectPair(server, { localPort })
    expect((connection.socket as TLSSocket).remotePort).to.equal(localPort)
  })

  it('ipv6Only listens on IPv6 alone', async function () {
    if (!Object.values(networkInterfaces()).some(list => list?.some(({ address }) => isIPv6(address))))
      this.skip()
    const server = await makeServer({ host: '::', ipv6Only: true, port: 0 })
    await once(server, 'connect')
    expect((server.address() as AddressInfo).family).to.equal('IPv6')
    const client = await makeClient(portOf(server), { refusedRetryTimeout: 0 })
    expect((await client.closed).code).to.equal('ERR_CONNECT')
  })

  it('readableAll and writableAll open a Unix socket to other users', async () => {
    const path = join(folder, 'open.sock')
    const server = await makeServer({ path, readableAll: true, writableAll: true })
    await once(server, 'connect')
    expect(statSync(path).mode & 0o666).to.equal(0o666)
  })

  it('fd is a socket that listens already', async () => {
    const inner = net.createServer().listen(0, '127.0.0.1')
    await once(inner, 'listening')
    const { port } = inner.address() as AddressInfo
    const { fd } = (inner as unknown as { _handle: { fd: number } })._handle
    const { host: _host, port: _port, ...options } = await serverOptions()
    const program = `const { TokenServer } = require(${JSON.stringify(join(ROOT, 'dist/lib'))})
      new TokenServer({ ...JSON.parse(process.env.OPTIONS), fd: 3 }).on('connect', () => console.log('listens'))`
    const child = spawn(process.execPath, ['-e', program], {
      env: { ...process.env, OPTIONS: JSON.stringify(options) },
      stdio: ['ignore', 'pipe', 'inherit', fd]
    })
    onCleanUp(async () => {
      const exited = once(child, 'exit')
      child.kill()
      await exited
    })
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    inner.close()
    const client = await makeClient(port)
    await once(client, 'connect')
  })

  it('socket is used for one connection; the next connect() fails, and does not hang', async () => {
    const { server, port } = await startServer()
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const { client } = await connectPair(server, { socket })
    expect(client.connection?.isOpen).to.equal(true)
    client.close()
    await client.closed
    const events = eventsOf(client)
    client.connect()
    expect((await client.closed).error?.message).to.match(/the dial failed with ERR_SOCKET_CLOSED$/)
    expect(events).to.deep.equal(['error', 'close(true)'])
    onCleanUp(() => socket.destroy())
  })

  it('checkServerIdentity is asked at every dial, also when TLS could resume', async () => {
    const { server } = await startServer()
    server.on('token', () => {})
    const asked: string[] = []
    let answer: Error | undefined
    const { client } = await connectPair(server, {
      checkServerIdentity: host => {
        asked.push(host)
        return answer
      }
    })
    // The ticket is there by then.
    await client.deliver(Buffer.from('x'))
    client.close()
    await client.closed
    answer = new Error('not this one')
    client.connect()
    const { error } = await client.closed
    expect([error?.code, asked]).to.deep.equal(['ERR_CERTIFICATE', ['127.0.0.1', '127.0.0.1']])
  })

  it('pskCallback proves both sides where neither has a certificate, and is refused where one is demanded', async () => {
    const psk = Buffer.alloc(16, 7)
    const none = { key: undefined, cert: undefined, ca: undefined, rejectUnauthorized: false }
    const ciphers = 'PSK+HIGH:TLS_AES_128_GCM_SHA256'
    const { server } = await startServer({
      ...none,
      requestCert: false,
      pskCallback: () => psk,
      ciphers
    } as TokenServerOptions)
    const { connection } = await connectPair(server, {
      ...none,
      ciphers,
      pskCallback: () => ({ psk, identity: 'ann' }),
      checkServerIdentity: () => undefined
    } as Partial<TokenClientOptions>)
    expect([connection.peer, connection.protocol]).to.deep.equal([null, 'token/2'])
    const server2 = await serverOptions({ pskCallback: () => psk })
    const client2 = await clientOptions(1, { pskCallback: () => null })
    for (const make of [() => new TokenServer(server2), () => new TokenClient(client2)]) {
      expect(refusal(make).message).to.match(/^Cannot use option pskCallback: it contradicts/)
    }
  })
})

function hasBlockLists(): boolean {
  return 'isBlockList' in BlockList
}

/** The certificates and lists that were found in an option are written anew. */
function expectGiven(options: Options | undefined, name: string, value: unknown): void {
  if (!['ca', 'cert', 'crl'].includes(name)) return void expect(options, name).to.have.property(name, value)
  const bare = (pem: unknown) => [pem].flat().join('').replace(/\s/g, '')
  expect(bare(options?.[name]), name).to.equal(bare(value))
}

/** Puts another function in the place of one, which it is given, while `work` runs. */
async function replaced<T extends object, K extends keyof T>(
  owner: T,
  name: K,
  other: (this: never, real: (...args: unknown[]) => never, ...args: unknown[]) => unknown,
  work: () => Promise<void>
): Promise<void> {
  const real = owner[name] as (...args: unknown[]) => never
  owner[name] = function (this: never, ...args: unknown[]) {
    return other.call(this, real.bind(this) as never, ...args)
  } as T[K]
  try {
    await work()
  } finally {
    owner[name] = real as T[K]
  }
}
