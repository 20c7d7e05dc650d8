import { once } from 'node:events'
import { type Authority, createAuthority } from '@token-server/certs'
import { expect } from 'chai'
import type { Connection, ExpiringCertificate, ExpiringList } from '../../lib'
import { certificates } from '../helpers/certificates'
import { closesWhatItOpened, connectPair, makeClient, makeServer, startServer } from '../helpers/loopback'
import { settled } from '../helpers/moments'
import { movableDate } from '../helpers/movable-date'

const DAY = 86_400_000

describe('An end that comes soon', () => {
  closesWhatItOpened()
  let authority: Authority
  let cas: string[]

  before(async () => {
    authority = await createAuthority({ name: 'of the short lived' })
    cas = [(await certificates()).ca, authority.cert]
  })

  /** Whole seconds, as certificates have them. */
  const inMs = (milliseconds: number) => new Date(Math.floor((Date.now() + milliseconds) / 1000) * 1000)

  /** The date moves on by so many days from the beginning of the test, and what is due is told. */
  function days() {
    const { moveDate } = movableDate()
    return {
      async pass(count: number): Promise<void> {
        moveDate(count * DAY)
        await settled()
      }
    }
  }

  const issue = (name: string, days: number) => authority.issueClient({ name, notAfter: inMs(days * DAY) })

  describe("of a client's own certificate", () => {
    it('is told by the client at once when less than 14 days are left, and 1 day before', async () => {
      const { pass } = days()
      const { server } = await startServer({ ca: cas })
      const notAfter = inMs(10 * DAY)
      const soon = await authority.issueClient({ name: 'soon', notAfter })
      const told: ExpiringCertificate[] = []
      const { client } = await connectPair(server, soon)
      client.on('certificate-expiring', certificate => told.push(certificate))
      await settled()
      await pass(8.9)
      expect(told.filter(({ days }) => days === 1)).to.deep.equal([])
      await pass(9.1)
      expect(told.at(-1)).to.deep.equal({ subject: 'CN=soon', validTo: notAfter, days: 1 })
      expect(told.length).to.be.at.most(2)
    })

    it('is told on the days that expiryNoticeDays has', async () => {
      const { port } = await startServer({ ca: cas })
      const soon = await issue('soon', 40)
      const client = await makeClient(port, { ...soon, expiryNoticeDays: [7, 60] })
      const [{ days }] = await once(client, 'certificate-expiring')
      expect(days).to.equal(60)
    })

    it('is not told any more when a function has given a new one, nor after close()', async () => {
      const { pass } = days()
      const { server, port } = await startServer({ ca: cas })
      let pair = await issue('old', 30)
      const told: string[] = []
      const client = await makeClient(port, {
        key: () => pair.key,
        cert: () => pair.cert,
        reconnect: () => 1
      })
      client.on('certificate-expiring', ({ subject, days }) => told.push(`${subject} ${days}`))
      await once(client, 'connect')
      pair = await issue('new', 60)
      const [connection] = server.connections
      const connected = once(client, 'connect')
      connection?.destroy()
      await connected
      await pass(20)
      expect(told).to.deep.equal([])
      await pass(47)
      expect(told).to.deep.equal(['CN=new 14'])
      client.close()
      await client.closed
      await pass(59.5)
      expect(told).to.deep.equal(['CN=new 14'])
    })
  })

  describe("of a peer's certificate", () => {
    it('is told by the server with the connection: 14 days before, and 1 day before', async () => {
      const { pass } = days()
      const { server } = await startServer({ ca: cas })
      const notAfter = inMs(20 * DAY)
      const told: [ExpiringCertificate, Connection][] = []
      server.on('peer-certificate-expiring', (certificate, connection) =>
        told.push([certificate, connection])
      )
      const { connection } = await connectPair(
        server,
        await authority.issueClient({ name: 'soon', notAfter })
      )
      await connectPair(server)
      await pass(5.9)
      expect(told).to.deep.equal([])
      await pass(6.1)
      await pass(19.1)
      await pass(19.5)
      expect(told.map(([certificate]) => certificate)).to.deep.equal([
        { subject: 'CN=soon', validTo: notAfter, days: 14 },
        { subject: 'CN=soon', validTo: notAfter, days: 1 }
      ])
      for (const [, which] of told) expect(which).to.equal(connection)
    })

    it('is told at once of a peer that comes late, after its connection was', async () => {
      const { server } = await startServer({ ca: cas })
      const events: string[] = []
      server.on('connection', () => events.push('connection'))
      const expiring = once(server, 'peer-certificate-expiring')
      server.on('peer-certificate-expiring', ({ days }) => events.push(`${days}`))
      await connectPair(server, await issue('soon', 2))
      await expiring
      expect(events).to.deep.equal(['connection', '14'])
    })

    it('is not told of a connection that has closed', async () => {
      const { pass } = days()
      const { server } = await startServer({ ca: cas })
      const told: ExpiringCertificate[] = []
      server.on('peer-certificate-expiring', certificate => told.push(certificate))
      const pair = await issue('soon', 20)
      const { client, connection } = await connectPair(server, pair)
      client.close()
      await connection.closed
      await pass(7)
      expect(told).to.deep.equal([])
    })
  })

  describe('of a list of revoked certificates', () => {
    /** A server whose clients' lists end then, and what it tells of that of the authority. */
    async function listing(nextUpdate: Date) {
      const { crl } = await certificates()
      const lists = async (next: Date) => [crl, await authority.createCrl([], { nextUpdate: next })]
      const server = await makeServer({ ca: cas, crl: await lists(nextUpdate) })
      const told: ExpiringList[] = []
      server.on('crl-expiring', list => {
        if (list.issuer === 'CN=of the short lived') told.push(list)
      })
      await server.ready
      await settled()
      return { server, told, lists }
    }

    it('is told 14 days and 1 day before, with the name of its issuer', async () => {
      const { pass } = days()
      const nextUpdate = inMs(60 * DAY)
      const { told } = await listing(nextUpdate)
      await pass(45.9)
      expect(told).to.deep.equal([])
      await pass(46.1)
      await pass(59.1)
      expect(told).to.deep.equal([
        { issuer: 'CN=of the short lived', nextUpdate, days: 14 },
        { issuer: 'CN=of the short lived', nextUpdate, days: 1 }
      ])
    })

    it('is not told before half of its time is over: lists are short-lived', async () => {
      const { pass } = days()
      const { told } = await listing(inMs(7 * DAY))
      await pass(3)
      expect(told).to.deep.equal([])
      await pass(4)
      expect(told.map(list => list.days)).to.deep.equal([14])
    })

    it('is not told of one that reload() has replaced', async () => {
      const { pass } = days()
      const { server, told, lists } = await listing(inMs(60 * DAY))
      server.reload({ crl: await lists(inMs(360 * DAY)) })
      await pass(50)
      expect(told).to.deep.equal([])
    })
  })
})
