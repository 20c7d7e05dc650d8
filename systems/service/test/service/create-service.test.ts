import { constants } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { loadCertificates, openAuthority, renewServer } from '@token-server/certs'
import {
  closesWhatItOpened,
  freePort,
  needProgram,
  onCleanUp,
  Program,
  until
} from '@token-server/test-helpers'
import { expect } from 'chai'
import { Hono } from 'hono'
import { TokenClient } from 'token-server'
import { WebSocket } from 'ws'
import { LogglyStandIn } from '../helpers/loggly-stand-in'
import {
  askPlain,
  askTls,
  certificateFolder,
  folder,
  type Started,
  startService,
  tlsClient
} from '../helpers/services'

const MQTT_CONNECT = Buffer.from([0x10, 0x0c, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, 0])

describe('createService', () => {
  closesWhatItOpened()

  /** A protocol that tells what it gets, and answers `mqtt`. */
  function mqtt(sockets: TLSSocket[] = []) {
    return {
      clientCertificate: 'optional' as const,
      handler: (socket: TLSSocket) => {
        sockets.push(socket)
        socket.on('data', data => socket.write(`mqtt ${data.length}`))
      },
      close: () => {
        for (const socket of sockets) socket.end()
      }
    }
  }

  async function tokenClient(port: number, withCertificate = true): Promise<TokenClient> {
    const { ca, key, cert } = loadCertificates(await certificateFolder(), 'client')
    const client = new TokenClient({ host: '127.0.0.1', port, ca, ...(withCertificate && { key, cert }) })
    client.on('error', () => {})
    client.on('disconnect', () => {})
    onCleanUp(() => {
      client.close({ timeout: 0 })
      return client.closed
    })
    return client
  }

  async function webSocket(port: number, path: string): Promise<WebSocket> {
    const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, {
      ca: loadCertificates(await certificateFolder(), 'client').ca()
    })
    onCleanUp(() => socket.terminate())
    socket.on('error', () => {})
    await once(socket, 'open')
    return socket
  }

  it('serves tokens, HTTP, WebSocket and MQTT on one port', async () => {
    const app = new Hono().get('/hello', context => context.text('hello'))
    const { service, port } = await startService({
      protocols: { mqtt: mqtt() },
      http: {
        fetch: app.fetch,
        webSockets: {
          '/echo': { onConnection: socket => socket.on('message', data => socket.send(`${data}!`)) }
        }
      }
    })
    service.server.on('token', (token, connection) => connection.send(token))

    const client = await tokenClient(port)
    await once(client, 'connect')
    client.send(Buffer.from('a token'))
    expect(String((await once(client, 'token'))[0])).to.equal('a token')

    expect(await askTls(port, '/hello')).to.include({ status: 200, body: 'hello' })

    const socket = await webSocket(port, '/echo')
    socket.send('ping')
    expect(String((await once(socket, 'message'))[0])).to.equal('ping!')

    const device = await tlsClient(port, { ALPNProtocols: ['mqtt'] })
    device.write(MQTT_CONNECT)
    expect(String((await once(device, 'data'))[0])).to.equal('mqtt 14')
  })

  it('knows MQTT and HTTP by their first bytes where a client names no protocol', async () => {
    const { port } = await startService({ protocols: { mqtt: mqtt() } })
    const device = await tlsClient(port)
    // One byte after another: the protocol shows late.
    for (const byte of MQTT_CONNECT.subarray(0, -1)) device.write(Buffer.of(byte))
    device.write(MQTT_CONNECT.subarray(-1))
    const seen = await once(device, 'data')
    expect(String(seen[0])).to.match(/^mqtt \d+$/)

    const web = await tlsClient(port)
    web.write('GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(String((await once(web, 'data'))[0])).to.match(/^HTTP\/1\.1 200 OK\r\n/)
  })

  it('cuts a client that says nothing within handshakeTimeout', async () => {
    const { port, lines } = await startService({
      tokens: { handshakeTimeout: 300 },
      protocols: { mqtt: mqtt() }
    })
    const socket = await tlsClient(port)
    await once(socket.resume(), 'close')
    await until(() => lines.with('Cannot tell the protocol of a client: it sent nothing').length === 1)
  })

  it('lets devices in without a certificate, and demands a trusted one for tokens', async () => {
    const { port, lines } = await startService({ protocols: { mqtt: mqtt() } })
    const device = await tlsClient(port, { ALPNProtocols: ['mqtt'] })
    device.write('x')
    await once(device, 'data')
    const client = await tokenClient(port, false)
    await client.closed
    await until(() => lines.all.some(({ code }) => code === 'ERR_CERTIFICATE'))
  })

  it('demands a certificate of devices and of HTTP where that is told', async () => {
    const { port } = await startService({
      http: { clientCertificate: 'required' },
      protocols: { mqtt: { ...mqtt(), clientCertificate: 'required' } }
    })
    for (const name of ['mqtt', 'http/1.1']) {
      const stranger = await tlsClient(port, { ALPNProtocols: [name] })
      await once(stranger.resume(), 'close')
      const { key, cert } = loadCertificates(await certificateFolder(), 'client')
      const known = await tlsClient(port, { ALPNProtocols: [name], key: key(), cert: cert() })
      known.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n')
      await once(known, 'data')
    }
  })

  it('speaks TLS 1.3 only, unless it is told TLS 1.2', async () => {
    const { port } = await startService()
    let failed: NodeJS.ErrnoException | undefined
    await tlsClient(port, { maxVersion: 'TLSv1.2' }).catch(error => {
      failed = error as NodeJS.ErrnoException
    })
    expect(failed).to.have.property('code', 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
  })

  it('speaks TLS 1.2 where it is told so, and cuts who wants to renegotiate', async () => {
    const { port } = await startService({
      config: { TLS_MIN_VERSION: 'TLSv1.2' },
      protocols: { mqtt: mqtt() }
    })
    const socket = await tlsClient(port, { maxVersion: 'TLSv1.2', ALPNProtocols: ['mqtt'] })
    expect(socket.getProtocol()).to.equal('TLSv1.2')
    socket.write('x')
    await once(socket, 'data')
    const renegotiated = await new Promise(resolve => {
      socket.once('error', () => resolve(false)).once('close', () => resolve(false))
      socket.renegotiate({ rejectUnauthorized: false }, error => resolve(error === null))
    })
    expect(renegotiated).to.equal(false)
    const plain = await tlsClient(port, {
      secureOptions: constants.SSL_OP_NO_TLSv1_2,
      ALPNProtocols: ['mqtt']
    })
    expect(plain.getProtocol()).to.equal('TLSv1.3')
  })

  it('resumes a TLS session that another process with the same TLS_TICKET_SECRET gave', async () => {
    const resumes = async (first: string, second: string): Promise<boolean> => {
      const protocols = { mqtt: mqtt() }
      const from = await startService({ config: { TLS_TICKET_SECRET: first.repeat(32) }, protocols })
      const to = await startService({ config: { TLS_TICKET_SECRET: second.repeat(32) }, protocols })
      const socket = await tlsClient(from.port, { ALPNProtocols: ['mqtt'] })
      const ticket = once(socket, 'session')
      socket.write('x')
      const [session] = (await ticket) as [Buffer]
      return (await tlsClient(to.port, { ALPNProtocols: ['mqtt'], session })).isSessionReused()
    }
    expect(await resumes('a', 'a')).to.equal(true)
    expect(await resumes('a', 'b')).to.equal(false)
  })

  it('refuses an address that connects too often', async () => {
    const { port, lines } = await startService({ tokens: { maxConnectRatePerAddress: 1 } })
    let refused: unknown
    // On a slow machine some more than ten come in.
    for (let i = 0; i < 100 && refused === undefined; i++) {
      await tlsClient(port).catch(error => {
        refused = error
      })
      expect(i >= 10 || refused === undefined, `connect ${i + 1}`).to.equal(true)
    }
    expect(refused).to.have.property('code', 'ECONNRESET')
    await until(() => lines.with('maxConnectRatePerAddress is 1').length === 1)
  })

  it('takes the bounds of an address from its configuration, over those that it was written with', async () => {
    const tokens = { maxConnectRatePerAddress: 1, maxConnectionsPerAddress: 1 }
    const open = { MAX_CONNECT_RATE_PER_ADDRESS: 0, MAX_CONNECTIONS_PER_ADDRESS: 0 }
    const { port } = await startService({ config: open, tokens })
    for (let i = 0; i < 15; i++) await tlsClient(port)
    const narrow = await startService({ config: { MAX_CONNECTIONS_PER_ADDRESS: 2 } })
    await Promise.all([tlsClient(narrow.port), tlsClient(narrow.port)])
    const third = await tlsClient(narrow.port).catch(error => error as Error)
    expect(third).to.have.property('code', 'ECONNRESET')
  })

  describe('with certificates', () => {
    it('makes them on the first run, the key for its owner alone, and takes the same on the next', async () => {
      const CERTS_DIR = join(folder(), 'new')
      const first = await startService({ config: { CERTS_DIR } })
      expect(first.lines.with(`Certificates were made in ${CERTS_DIR}`)).to.have.length(1)
      expect(statSync(join(CERTS_DIR, 'server/server.key')).mode & 0o777).to.equal(0o600)
      const made = readFileSync(join(CERTS_DIR, 'server/server.crt'), 'utf8')
      const second = await startService({ config: { CERTS_DIR } })
      expect(second.lines.with('Certificates were made')).to.have.length(0)
      expect(readFileSync(join(CERTS_DIR, 'server/server.crt'), 'utf8')).to.equal(made)
    })

    it('takes renewed ones without a restart, and open connections stay', async () => {
      const CERTS_DIR = folder()
      const { port, lines } = await startService({ config: { CERTS_DIR }, protocols: { mqtt: mqtt() } })
      const ca = loadCertificates(CERTS_DIR, 'server').ca()
      const before = await tlsClient(port, { ca, ALPNProtocols: ['mqtt'] })
      const old = before.getPeerX509Certificate()?.fingerprint256
      await renewServer({ out: CERTS_DIR, force: true })
      await until(() => lines.with('The certificate files have changed, and are in use').length === 1)
      const after = await tlsClient(port, { ca, ALPNProtocols: ['mqtt'] })
      expect(after.getPeerX509Certificate()?.fingerprint256).to.be.a('string').and.not.equal(old)
      before.write('x')
      await once(before, 'data')
    })

    it('takes the first list of revoked certificates without a restart, and keeps it when its file goes away', async () => {
      const CERTS_DIR = folder()
      const { port, lines } = await startService({ config: { CERTS_DIR } })
      const read = (name: string) => readFileSync(join(CERTS_DIR, name), 'utf8')
      const authority = await openAuthority({ key: read('ca/ca.key'), cert: read('ca/ca.crt') })
      const dial = () => {
        const client = new TokenClient({ host: '127.0.0.1', port, ...loadCertificates(CERTS_DIR, 'client') })
        onCleanUp(() => client.close({ timeout: 0 }))
        client.on('error', () => {})
        return client
      }
      const open = dial()
      await once(open, 'connect')
      writeFileSync(join(CERTS_DIR, 'ca/ca.crl'), await authority.createCrl([read('client/client.crt')]))
      await until(() => lines.with('The certificate files have changed, and are in use').length === 1)
      await open.closed
      const isRefused = async () => {
        const before = lines.with('stands in a list of option crl').length
        dial()
        await until(() => lines.with('stands in a list of option crl').length > before)
      }
      await isRefused()
      rmSync(join(CERTS_DIR, 'ca/ca.crl'))
      await until(() => lines.with("and can't be used: the old ones stay").length === 1)
      await isRefused()
    })
  })

  describe('when it closes', () => {
    it('is not ready, answers what has begun, lets the other protocols end, and closes the port', async () => {
      let answer = () => {}
      const asked = new Promise<void>(begun => {
        answer = begun
      })
      let release = () => {}
      const held = new Promise<void>(done => {
        release = done
      })
      const app = new Hono().get('/slow', async context => {
        answer()
        await held
        return context.text('done')
      })
      const sockets: TLSSocket[] = []
      const { service, port } = await startService({
        http: { fetch: app.fetch },
        protocols: { mqtt: mqtt(sockets) }
      })
      const client = await tokenClient(port)
      await once(client, 'connect')
      const device = await tlsClient(port, { ALPNProtocols: ['mqtt'] })
      const slow = askTls(port, '/slow')
      await asked
      await until(() => sockets.length === 1)

      const [deviceEnded, clientClosed] = [once(device.resume(), 'end'), once(client, 'close')]
      const closed = service.close()
      await until(() => !service.readiness.isReady)
      expect(service.readiness.because()).to.deep.equal([['service', 'it is shutting down']])
      await deviceEnded
      await clientClosed
      let refused: unknown
      await tlsClient(port).catch(error => {
        refused = error
      })
      expect(refused).to.have.property('code', 'ECONNREFUSED')
      release()
      expect(await slow).to.deep.include({ status: 200, body: 'done' })
      await closed
    })

    it('cuts what does not end within its time', async () => {
      const { service, port } = await startService({
        config: { SHUTDOWN_TIMEOUT: 500 },
        http: { fetch: () => new Promise<Response>(() => {}) },
        protocols: { mqtt: { ...mqtt(), close: () => new Promise(() => {}) } }
      })
      const [device, web] = [await tlsClient(port, { ALPNProtocols: ['mqtt'] }), await tlsClient(port)]
      web.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      device.write('x')
      await once(device, 'data')
      const gone = [once(device.resume(), 'close'), once(web.resume(), 'close')]
      const begun = performance.now()
      await service.close()
      expect(performance.now() - begun).to.be.lessThan(2_000)
      await Promise.all(gone)
    })
  })

  describe('as a process', () => {
    const PROGRAM = join(__dirname, '../helpers/program.js')

    async function started(how: string): Promise<Program> {
      const program = new Program(process.execPath, [PROGRAM, how, await certificateFolder()], folder())
      onCleanUp(() => program.kill('SIGKILL'))
      await program.printed('is ready')
      return program
    }

    it('drains on SIGTERM, and exits with 0', async () => {
      const program = await started('quick')
      program.kill('SIGTERM')
      const { code, stdout } = await program.ended
      expect(code).to.equal(0)
      expect(stdout).to.include('Shutting down: SIGTERM').and.include('the work has ended')
    })

    it('exits with 1 when a step is not done in time', async () => {
      const program = await started('stuck')
      program.kill('SIGINT')
      const { code, stdout } = await program.ended
      expect(code).to.equal(1)
      expect(stdout).to.include('Shutdown: no time was left for the work')
    })

    it('exits at once on a second signal', async () => {
      const program = await started('patient')
      program.kill('SIGTERM')
      await program.printed('Shutting down')
      program.kill('SIGTERM')
      const { code } = await program.ended
      expect(code).to.equal(128 + 15)
    })
  })

  it('waits for what is prepared before its port opens, and closes all when that fails', async () => {
    const ADMIN_PORT = await freePort()
    const PORT = await freePort()
    const steps: string[] = []
    const failure = await startService({
      config: { PORT, ADMIN_PORT },
      prepare: async ({ shutdown, readiness, bus }) => {
        await bus.ready
        steps.push(readiness.because().join())
        shutdown.add('store', () => steps.push('closed'))
        expect((await askPlain(ADMIN_PORT, '/health')).status).to.equal(200)
        throw new Error('the store is broken')
      }
    }).catch(error => error as Error)
    expect(failure).to.have.property('message', 'the store is broken')
    expect(steps).to.deep.equal(['service,it is starting', 'closed'])
    for (const port of [PORT, ADMIN_PORT]) {
      const refused = await askPlain(port, '/health').catch(error => error as Error)
      expect(refused).to.have.property('code', 'ECONNREFUSED')
    }
  })

  it('says in words that its port is taken, and leaves nothing open', async () => {
    const { port } = await startService()
    const failure = await startService({ config: { PORT: port, ADMIN_PORT: 0 } }).catch(
      error => error as Error
    )
    expect(failure).to.have.property('code', 'ERR_LISTEN')
  })

  it('has a bus, which is in the way of readiness while Redis is away', async () => {
    const { service } = await startService()
    await service.bus.ready
    expect(service.readiness.isReady).to.equal(true)
    const REDIS_URL = `redis://:canary-of-redis@127.0.0.1:${await freePort()}`
    const { service: lonely, lines } = await startService({ config: { REDIS_URL } })
    expect(lonely.readiness.because()).to.deep.equal([['bus', 'it has no connection to Redis']])
    expect((await askTls(lonely.address.port, '/ready')).body).to.equal('{"ready":false}')
    await until(() => lines.with('The bus has lost Redis').length === 1)
    expect(lines.text).not.to.include('canary-of-redis')
    expect(await lonely.metrics.metrics()).to.match(/^bus_up\{service="test"\} 0$/m)
  })

  it('sends its log to Loggly as well, to the last line', async () => {
    const standIn = await LogglyStandIn.start()
    const { ca } = loadCertificates(await certificateFolder(), 'client')
    const { service, lines } = await startService({
      config: { LOGGLY_TOKEN: 'canary-of-loggly', LOGGLY_SUBDOMAIN: 'something' },
      loggly: { url: `https://127.0.0.1:${standIn.port}`, ca: ca(), gatherTime: 60_000 }
    })
    service.log.info('between')
    expect(await service.metrics.metrics()).to.match(/^loggly_dropped_lines_total\{service="test"\} 0$/m)
    service.shutdown.add('work', () => service.log.info('last'))
    await service.close()
    const texts = standIn.events.map(({ msg }) => msg)
    expect(texts).to.include.members([
      'This log is also at https://something.loggly.com/search',
      'between',
      'last'
    ])
    expect(standIn.requests[0]?.path).to.equal('/bulk/canary-of-loggly/tag/Winston-NodeJS,test/')
    expect(lines.text).not.to.include('canary-of-loggly')
  })

  it('writes for people on a terminal', async function () {
    needProgram(this, 'script', 'bsdutils')
    const program = join(__dirname, '../helpers/program.js')
    const command = `${process.execPath} ${program} quick ${await certificateFolder()}`
    const terminal = new Program('script', ['-qec', command, '/dev/null'], folder())
    onCleanUp(() => terminal.kill('SIGKILL'))
    await terminal.printed('is ready')
    terminal.kill()
    await terminal.ended
    expect(terminal.stdout)
      .to.match(/INFO.*program is ready/)
      .and.not.include('"level"')
  })

  it('writes no secret of its configuration into its log', async () => {
    const canary = 'canary-of-the-admin-8d21'
    const { lines, service } = (await startService({
      config: { ADMIN_TOKEN: canary, ADMIN_PORT: 0 },
      http: {
        fetch: () => {
          throw new Error(`failed with ${canary}`)
        }
      }
    })) satisfies Started
    expect((await askTls(service.address.port, '/')).status).to.equal(500)
    expect(lines.with('An HTTP request failed')).to.have.length(1)
    expect(lines.text).to.include('[not shown]').and.not.include(canary)
  })
})
