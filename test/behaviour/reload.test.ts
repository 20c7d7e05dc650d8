import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import {
  type Authority,
  addClients,
  createAuthority,
  type KeyAndCert,
  loadCertificates,
  makeCerts,
  renewServer
} from '@token-server/certs'
import { expect } from 'chai'
import {
  type CloseInfo,
  type Connection,
  type Credentials,
  type ExpiringCertificate,
  type TokenClient,
  TokenError,
  TokenServer,
  type TokenServerOptions
} from '../../lib'
import { type Certificates, certificates } from '../helpers/certificates'
import {
  closesWhatItOpened,
  connectPair,
  makeClient,
  makeServer,
  onCleanUp,
  portOf,
  startServer,
  until
} from '../helpers/loopback'
import { settled } from '../helpers/moments'
import { movableDate } from '../helpers/movable-date'
import { remove, temporaryFolder } from '../helpers/program'
import { refusal } from '../helpers/refusal'

const DAY = 86_400_000

describe('certificates that change', () => {
  closesWhatItOpened()

  let all: Certificates
  let old: Authority
  let next: Authority

  before(async () => {
    all = await certificates()
    old = await createAuthority({ name: 'the old authority' })
    next = await createAuthority({ name: 'the next authority' })
  })

  /** The name in the certificate that a new client is shown. */
  async function shown(server: TokenServer, ca: string): Promise<string> {
    const socket = connect({ host: '127.0.0.1', port: portOf(server), ca, ...all.client })
    onCleanUp(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    const { subject } = new X509Certificate(socket.getPeerCertificate().raw)
    socket.destroy()
    return subject
  }

  describe('server.reload()', () => {
    it('shows the new certificate at once, and leaves a trusted connection alone, on both protocols', async () => {
      for (const protocol of ['token/1', 'token/2'] as const) {
        const { server } = await startServer()
        const { client, connection } = await connectPair(server, { protocol })
        server.reload(await old.issueServer({ name: 'renewed' }))
        expect(await shown(server, old.cert)).to.equal('CN=renewed')
        client.send(Buffer.from('still here'))
        expect(String((await once(server, 'token'))[0])).to.equal('still here')
        connection.send(Buffer.from('so am I'))
        expect(String((await once(client, 'token'))[0])).to.equal('so am I')
      }
    })

    it('swaps 20 times under load: no connection closed, no token lost, no handshake failed', async () => {
      const { server, port } = await startServer({ ca: [all.ca, old.cert] })
      const closed: CloseInfo[] = []
      const refused: unknown[] = []
      server.on('refused', refusal => refused.push(refusal))
      server.on('connection', connection => {
        connection.on('token', token => void connection.send(token))
        connection.on('close', (_hadError, info) => closed.push(info))
      })
      const pairs: KeyAndCert[] = [await old.issueServer({ name: 'a' }), await old.issueServer({ name: 'b' })]
      const trust = { ca: [all.ca, old.cert] }
      const clients: TokenClient[] = []
      for (let i = 0; i < 10; i++) {
        const client = await makeClient(port, { ...trust, ...all.client })
        await once(client, 'connect')
        clients.push(client)
      }
      let echoes = 0
      let delivered = 0
      let isOver = false
      for (const client of clients) client.on('token', () => echoes++)
      const load = clients.map(async client => {
        while (!isOver) {
          await client.deliver(Buffer.from('load'))
          delivered++
        }
      })
      const names = new Set<string>()
      for (let i = 0; i < 20; i++) {
        server.reload(pairs[i % 2] as KeyAndCert)
        const late = await makeClient(port, { ...trust, ...all.client })
        await once(late, 'connect')
        names.add(String(late.connection?.peer?.subject))
        late.close()
        await late.closed
      }
      isOver = true
      await Promise.all(load)
      await until(() => echoes === delivered)
      expect([...names].sort()).to.deep.equal(['CN=a', 'CN=b'])
      expect(refused).to.deep.equal([])
      expect(closed.filter(info => info.hadError)).to.deep.equal([])
      expect(server.connections.size).to.equal(10)
      expect(delivered).to.be.greaterThan(20)
    })

    for (const [title, before, after] of [
      [
        'a CA was removed',
        (all: Certificates) => ({ ca: [all.ca, old.cert] }),
        (all: Certificates) => ({ ca: all.ca })
      ],
      ['its certificate was revoked', (all: Certificates) => ({ ca: [all.ca, old.cert] }), 'crl']
    ] as const) {
      it(`closes the connections of a client that is not trusted any more because ${title}, a few turns of the event loop later, and tells why`, async () => {
        const { server } = await startServer(before(all) as TokenServerOptions)
        const victim = await old.issueClient({ name: 'victim' })
        const { client: bad, connection: theirs } = await connectPair(server, victim)
        const { client: bare, connection: alsoTheirs } = await connectPair(server, {
          ...victim,
          protocol: 'token/1'
        })
        const { client: good } = await connectPair(server)
        const errors: [TokenError, Connection][] = []
        server.on('connectionError', (error, connection) => errors.push([error, connection]))
        const changes: Credentials =
          after === 'crl'
            ? { crl: [await old.createCrl([victim.cert]), await emptyCrl(all)] }
            : (after(all) as Credentials)
        server.reload(changes)
        await settled()
        expect([theirs.isOpen, alsoTheirs.isOpen]).to.deep.equal([false, false])
        const { error } = await bad.closed
        await bare.closed
        expect(error).to.include({ code: 'ERR_PEER_CLOSED', closeCode: 'certificate-unknown' })
        await until(() => errors.length === 2)
        expect(errors.map(([{ code }]) => code)).to.deep.equal(['ERR_CERTIFICATE', 'ERR_CERTIFICATE'])
        expect(errors.some(([, connection]) => connection === theirs)).to.equal(true)
        expect(server.connections.size).to.equal(1)
        expect(good.connection?.isDead).to.equal(false)

        const again = await makeClient(portOf(server), victim)
        expect((await again.closed).error).to.include({
          code: 'ERR_REFUSED',
          closeCode: 'certificate-unknown'
        })
      })
    }

    it('closes the socket of another protocol that demands a certificate, and leaves the others', async () => {
      const names = ['required', 'optional'] as const
      const handler = (socket: TLSSocket) => void socket.resume()
      const protocols = Object.fromEntries(names.map(name => [name, { clientCertificate: name, handler }]))
      const { server, port } = await startServer({ ca: [all.ca, old.cert], protocols })
      const victim = await old.issueClient({ name: 'victim' })
      const [required, optional] = names.map(name => {
        const socket = connect({ host: '127.0.0.1', port, ca: all.ca, ...victim, ALPNProtocols: [name] })
        socket.on('error', () => {})
        onCleanUp(() => socket.destroy())
        return socket.resume()
      }) as [TLSSocket, TLSSocket]
      await Promise.all([once(required, 'session'), once(optional, 'session')])
      const ended = once(required, 'close')
      server.reload({ ca: all.ca })
      await ended
      expect(optional.destroyed).to.equal(false)
      expect(optional.readableEnded).to.equal(false)
    })

    it('closes a resumed connection that is not trusted any more, too', async () => {
      const { server } = await startServer({ ca: [all.ca, old.cert] })
      server.on('token', () => {})
      const { client } = await connectPair(server, await old.issueClient({ name: 'victim' }))
      await client.deliver(Buffer.from('the tickets are here'))
      client.close()
      await client.closed
      client.connect()
      await once(client, 'connect')
      server.reload({ ca: all.ca })
      expect((await client.closed).error?.closeCode).to.equal('certificate-unknown')
    })

    it('closes a connection whose handshake came before it and whose acceptance comes after, at the latest then', async () => {
      const { server, port } = await startServer({ ca: [all.ca, old.cert] })
      const victim = await old.issueClient({ name: 'victim' })
      const socket = connect({ host: '127.0.0.1', port, ca: all.ca, ...victim })
      onCleanUp(() => socket.destroy())
      socket.on('error', () => {})
      await once(server, 'connection').then(() => server.reload({ ca: all.ca }))
      await new Promise(resolve => socket.on('close', resolve))
      expect(server.connections.size).to.equal(0)
    })

    const wrong: Record<string, (all: Certificates) => unknown> = {
      'a key that does not fit': ({ client }) => ({ key: client.key }),
      'a certificate that does not fit': ({ client }) => ({ cert: client.cert }),
      'a certificate that is none': () => ({ cert: 'no certificate' }),
      'a CA that is none': () => ({ ca: 'no certificate' }),
      'an empty CA': () => ({ ca: '' }),
      'no CA': () => ({ ca: [] }),
      'a CRL that is none': () => ({ crl: 'no list' }),
      'a new pair and a CRL that is none': ({ elsewhereServer }) => ({ ...elsewhereServer, crl: 'no list' })
    }
    for (const [title, changes] of Object.entries(wrong)) {
      it(`throws ERR_RELOAD for ${title}, and the old credentials stay`, async () => {
        const { server } = await startServer()
        const { client } = await connectPair(server)
        const error = refusal(() => server.reload(changes(all) as Credentials))
        expect(error.code).to.equal('ERR_RELOAD')
        expect(error.message).to.contain('the old')
        expect(error.message + String(error.cause)).to.not.contain('PRIVATE KEY')
        expect(await shown(server, all.ca)).to.equal('CN=server')
        await connectPair(server)
        expect(client.connection?.isDead).to.equal(false)
        const stranger = await makeClient(portOf(server), all.bad.stranger)
        expect((await stranger.closed).error?.closeCode).to.equal('certificate-unknown')
      })
    }

    it('is used by the next connect() when it is called while the server is closed', async () => {
      const { server } = await startServer()
      server.close()
      await server.closed
      server.reload(await old.issueServer({ name: 'renewed' }))
      server.connect()
      await once(server, 'connect')
      expect(await shown(server, old.cert)).to.equal('CN=renewed')
    })

    it('keeps key and certificate when it is given the CA alone, and CA and CRL when it is given the pair alone', async () => {
      const { server } = await startServer({ crl: all.crl })
      server.reload({ ca: [all.ca, old.cert], crl: [all.crl, await old.createCrl([])] })
      expect(await shown(server, all.ca)).to.equal('CN=server')
      await connectPair(server, await old.issueClient({ name: 'bob' }))
      server.reload(await next.issueServer({ name: 'renewed' }))
      await connectPair(server, { ...(await old.issueClient({ name: 'bob' })), ca: next.cert })
      const revoked = await makeClient(portOf(server), { ...all.bad.revoked, ca: next.cert })
      expect((await revoked.closed).error?.closeCode).to.equal('certificate-unknown')
    })
  })

  /** A CRL of the tests' own authority, for with `crl` each CA needs one. */
  function emptyCrl({ crl }: Certificates): string {
    return crl
  }

  describe('certificate-expiring', () => {
    async function noticeOf(notAfter: Date): Promise<ExpiringCertificate> {
      const pair = await old.issueServer({ name: 'soon', notAfter })
      const { server } = await startServer(pair)
      const [notice] = (await once(server, 'certificate-expiring')) as [ExpiringCertificate]
      return notice
    }

    it('is told at the start of a certificate that ends within a day, and within 14', async () => {
      const soon = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000)
      expect(await noticeOf(soon)).to.deep.equal({ subject: 'CN=soon', validTo: soon, days: 1 })
      const later = new Date(Math.floor(Date.now() / 1000) * 1000 + 10 * DAY)
      expect(await noticeOf(later)).to.deep.equal({ subject: 'CN=soon', validTo: later, days: 14 })
    })

    it('is told of a certificate that came by reload(), and not of one that lasts', async () => {
      const { server } = await startServer()
      const notices: ExpiringCertificate[] = []
      server.on('certificate-expiring', notice => notices.push(notice))
      server.reload(await old.issueServer({ name: 'lasts' }))
      await connectPair(server, { ca: old.cert })
      expect(notices).to.deep.equal([])
      const told = once(server, 'certificate-expiring')
      server.reload(await old.issueServer({ name: 'soon', notAfter: new Date(Date.now() + 3_600_000) }))
      await told
      expect(notices.map(({ subject, days }) => [subject, days])).to.deep.equal([['CN=soon', 1]])
    })
  })

  describe('a connection', () => {
    const HOUR = 3_600_000
    /** When the certificate ends: later than the date is looked at next. */
    const inThreeHours = () => new Date(Date.now() + 3 * HOUR)

    for (const protocol of ['token/1', 'token/2'] as const) {
      it(`ends when its peer's certificate does, and not before, on ${protocol}`, async () => {
        const { moveDate } = movableDate()
        const short = await old.issueClient({ name: 'short', notAfter: inThreeHours() })
        const { server } = await startServer({ ca: [all.ca, old.cert] })
        const { client, connection } = await connectPair(server, { ...short, protocol })
        const { client: good } = await connectPair(server)
        moveDate(HOUR)
        client.send(Buffer.from('still here'))
        expect(String((await once(server, 'token'))[0])).to.equal('still here')
        const broken = once(server, 'connectionError')
        moveDate(4 * HOUR)
        const { error } = await client.closed
        if (protocol === 'token/2') {
          expect(error).to.include({ code: 'ERR_PEER_CLOSED', closeCode: 'certificate-expired' })
        }
        const [told, which] = (await broken) as [TokenError, Connection]
        expect(told).to.include({ code: 'ERR_CERTIFICATE', closeCode: 'certificate-expired' })
        expect(which).to.equal(connection)
        expect(good.connection?.isDead).to.equal(false)
      })
    }

    it('of a client ends when the certificate of its server does', async () => {
      const { moveDate } = movableDate()
      const { server } = await startServer(await old.issueServer({ name: 'short', notAfter: inThreeHours() }))
      server.on('token', () => {})
      const { client } = await connectPair(server, { ca: old.cert })
      moveDate(HOUR)
      await client.deliver(Buffer.from('still here'))
      moveDate(4 * HOUR)
      const { error } = await client.closed
      expect(error).to.include({ code: 'ERR_CERTIFICATE', closeCode: 'certificate-expired' })
    })

    it('whose session has moved ends with the new certificate of its server, not with the old one', async () => {
      const { moveDate } = movableDate()
      const session = true
      const issue = (name: string, days: number) =>
        old.issueServer({ name, notAfter: new Date(Date.now() + days * DAY) })
      const { server } = await startServer({ ...(await issue('first', 3)), session })
      const { client } = await connectPair(server, { ca: old.cert, session, reconnect: () => 5 })
      server.on('token', () => {})
      server.reload(await issue('second', 6))
      const resumed = once(client, 'resumed')
      await server.drain({ timeout: 5_000, spread: 0 })
      await resumed
      let lost: CloseInfo | null = null
      client.on('disconnect', info => {
        lost = info
      })
      moveDate(4 * DAY)
      await client.deliver(Buffer.from('the first has ended'))
      expect(lost).to.equal(null)
      moveDate(7 * DAY)
      await once(client, 'resumed')
      expect(lost).to.have.nested.include({ 'error.closeCode': 'certificate-expired' })
    })
  })

  describe('the key, cert, ca and crl of a server as functions', () => {
    it('are called at the construction and by reload(), which then needs no argument', async () => {
      let [pair, ca] = [all.server, all.ca]
      const server = await makeServer({ key: () => pair.key, cert: () => pair.cert, ca: () => ca })
      await once(server, 'connect')
      const subject = async (trusted: string) => {
        const client = await makeClient(portOf(server), { ca: trusted })
        await once(client, 'connect')
        return client.connection?.peer?.subject
      }
      expect(await subject(all.ca)).to.equal('CN=server')
      pair = await next.issueServer({ name: 'renewed' })
      ca = all.ca + next.cert
      expect(await subject(all.ca), 'before reload()').to.equal('CN=server')
      server.reload()
      expect(await subject(next.cert)).to.equal('CN=renewed')
    })

    it('those of loadCertificates() use renewed files: the server at reload(), the client at its next dial', async () => {
      const out = temporaryFolder()
      onCleanUp(() => remove(out))
      await makeCerts({ out })
      const server = await makeServer(loadCertificates(out, 'server'))
      await once(server, 'connect')
      const client = await makeClient(portOf(server), {
        ...loadCertificates(out, 'client'),
        reconnect: () => 5
      })
      const seen: [unknown, unknown][] = []
      for (let round = 0; round < 2; round++) {
        const [connection] = (await once(server, 'connection')) as [Connection]
        if (client.connection === null) await once(client, 'connect')
        seen.push([client.connection?.peer?.fingerprint, connection.peer?.fingerprint])
        const made = [
          ...(await renewServer({ out, force: true })),
          ...(await addClients({ out, clients: ['client'], force: true }))
        ]
        const [before, after] = [seen[round], made.map(({ info }) => info.fingerprint)]
        expect(after)
          .to.have.length(2)
          .and.not.to.include.members(before as string[])
        server.reload()
        connection.destroy()
      }
      const [first, second] = seen
      expect(second?.map((fingerprint, side) => fingerprint === first?.[side])).to.deep.equal([false, false])
    })

    it('a crl function gives the list of the moment, and who is in it is closed', async () => {
      const authority = await createAuthority()
      const [of, other] = [await authority.issueServer(), await authority.issueClient({ name: 'bob' })]
      let crl = await authority.createCrl([])
      const server = await makeServer({ ...of, ca: authority.cert, crl: () => crl })
      await once(server, 'connect')
      const client = await makeClient(portOf(server), { ...other, ca: authority.cert, crl: () => crl })
      await once(client, 'connect')
      crl = await authority.createCrl([other.cert])
      const broken = once(server, 'connectionError')
      server.reload()
      expect((await broken)[0].message).to.include('CERT_REVOKED')
      expect((await client.closed).error?.closeCode).to.equal('certificate-unknown')
    })

    it('a function that throws leaves the old certificates in use, and tells why', async () => {
      let fault: Error | null = null
      const key = () => {
        if (fault !== null) throw fault
        return all.server.key
      }
      const server = await makeServer({ key })
      await once(server, 'connect')
      fault = new Error('ENOENT')
      expect(() => server.reload())
        .to.throw(TokenError, 'its function must give a value, and it has thrown')
        .with.nested.property('cause.cause', fault)
      await connectPair(server)
    })

    it('a function that gives no value is ERR_OPTION in the constructor', () => {
      const { ca, server } = all
      for (const cert of [() => undefined, () => null, () => Promise.resolve(server.cert)]) {
        const options = { port: 0, ca, key: server.key, cert: cert as never }
        expect(() => new TokenServer(options))
          .to.throw()
          .with.property('code', 'ERR_OPTION')
      }
    })
  })

  describe('the key, cert and ca of a client as functions', () => {
    it('key, cert and ca that are functions are called at every dial', async () => {
      const { server, port } = await startServer({ ca: [all.ca, old.cert] })
      const subjects: (string | undefined)[] = []
      server.on('connection', connection => subjects.push(connection.peer?.subject))
      let pair = all.client
      let ca: string | string[] = all.ca
      const reads = { key: 0, cert: 0, ca: 0 }
      const client = await makeClient(port, {
        key: () => {
          reads.key++
          return pair.key
        },
        cert: () => {
          reads.cert++
          return pair.cert
        },
        ca: () => {
          reads.ca++
          return ca
        }
      })
      const comesBack = async () => {
        await client.deliver(Buffer.from('ping'))
        client.close()
        await client.closed
        client.connect()
        await once(client, 'connect')
      }
      server.on('token', () => {})
      await once(client, 'connect')
      pair = await old.issueClient({ name: 'rotated' })
      await comesBack()
      ca = [all.ca, next.cert]
      server.reload(await next.issueServer({ name: 'renewed' }))
      await comesBack()
      await comesBack()
      expect(subjects).to.deep.equal(['CN=ann', 'CN=rotated', 'CN=rotated', 'CN=rotated'])
      expect(client.connection?.peer?.subject).to.equal('CN=renewed')
      expect(reads.key).to.be.at.least(4)
      expect(reads.cert).to.equal(reads.key)
      expect(reads.ca).to.equal(reads.key)
    })

    it('key and cert functions that do not fit each other are ERR_OPTION at that dial, and the client goes on with `reconnect`', async () => {
      const { port } = await startServer({ ca: [all.ca, old.cert] })
      const rotated = await old.issueClient({ name: 'rotated' })
      let { key, cert } = all.client
      const client = await makeClient(port, { key: () => key, cert: () => cert, reconnect: () => 20 })
      await once(client, 'connect')
      // Half of a rotation: the key file is there, the certificate is not yet.
      key = rotated.key
      client.connection?.destroy()
      let [info] = (await once(client, 'disconnect')) as [CloseInfo]
      ;[info] = (await once(client, 'disconnect')) as [CloseInfo]
      expect(info.code).to.equal('ERR_OPTION')
      expect(info.error?.message).to.not.contain('PRIVATE')
      cert = rotated.cert
      await once(client, 'connect')
      client.close()
      expect((await client.closed).hadError).to.equal(false)
    })

    it('a key function that throws is ERR_OPTION with the cause at that dial', async () => {
      const { port } = await startServer()
      let isThere = true
      const client = await makeClient(port, {
        key: () => {
          if (!isThere) throw new Error('ENOENT')
          return all.client.key
        }
      })
      await once(client, 'connect')
      isThere = false
      client.close()
      await client.closed
      client.connect()
      const { error } = await client.closed
      expect(error).to.be.instanceOf(TokenError)
      expect(error?.code).to.equal('ERR_OPTION')
      expect(String(error?.cause)).to.equal('Error: ENOENT')
    })
  })
})
