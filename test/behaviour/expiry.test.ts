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

  describe("of a client's own certificate", () => {
    it('is told by the client at once when less than 14 days are left, and 1 day before', async () => {
      const { moveDate } = movableDate()
      const { server } = await startServer({ ca: cas })
      const notAfter = inMs(10 * DAY)
      const soon = await authority.issueClient({ name: 'soon', notAfter })
      const told: ExpiringCertificate[] = []
      const { client } = await connectPair(server, soon)
      client.on('certificate-expiring', certificate => told.push(certificate))
      await settled()
      moveDate(8.9 * DAY)
      await settled()
      expect(told.filter(({ days }) => days === 1)).to.deep.equal([])
      moveDate(9.1 * DAY)
      await settled()
      expect(told.at(-1)).to.deep.equal({ subject: 'CN=soon', validTo: notAfter, days: 1 })
      expect(told.length).to.be.at.most(2)
    })

    it('is told on the days that expiryNoticeDays has', async () => {
      const { port } = await startServer({ ca: cas })
      const soon = await authority.issueClient({ name: 'soon', notAfter: inMs(40 * DAY) })
      const client = await makeClient(port, { ...soon, expiryNoticeDays: [7, 60] })
      const [{ days }] = await once(client, 'certificate-expiring')
      expect(days).to.equal(60)
    })

    it('is not told any more when a function has given a new one, nor after close()', async () => {
      const { moveDate } = movableDate()
      const { server, port } = await startServer({ ca: cas })
      let pair = await authority.issueClient({ name: 'old', notAfter: inMs(30 * DAY) })
      const told: string[] = []
      const client = await makeClient(port, {
        key: () => pair.key,
        cert: () => pair.cert,
        reconnect: () => 1
      })
      client.on('certificate-expiring', ({ subject, days }) => told.push(`${subject} ${days}`))
      await once(client, 'connect')
      pair = await authority.issueClient({ name: 'new', notAfter: inMs(60 * DAY) })
      const [connection] = server.connections
      const connected = once(client, 'connect')
      connection?.destroy()
      await connected
      moveDate(20 * DAY)
      await settled()
      expect(told).to.deep.equal([])
      moveDate(47 * DAY)
      await settled()
      expect(told).to.deep.equal(['CN=new 14'])
      client.close()
      await client.closed
      moveDate(59.5 * DAY)
      await settled()
      expect(told).to.deep.equal(['CN=new 14'])
    })
  })

  describe("of a peer's certificate", () => {
    it('is told by the server with the connection: 14 days before, and 1 day before', async () => {
      const { moveDate } = movableDate()
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
      moveDate(5.9 * DAY)
      await settled()
      expect(told).to.deep.equal([])
      moveDate(6.1 * DAY)
      await settled()
      moveDate(19.1 * DAY)
      await settled()
      moveDate(19.5 * DAY)
      await settled()
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
      await connectPair(server, await authority.issueClient({ name: 'soon', notAfter: inMs(2 * DAY) }))
      await expiring
      expect(events).to.deep.equal(['connection', '14'])
    })

    it('is not told of a connection that has closed', async () => {
      const { moveDate } = movableDate()
      const { server } = await startServer({ ca: cas })
      const told: ExpiringCertificate[] = []
      server.on('peer-certificate-expiring', certificate => told.push(certificate))
      const pair = await authority.issueClient({ name: 'soon', notAfter: inMs(20 * DAY) })
      const { client, connection } = await connectPair(server, pair)
      client.close()
      await connection.closed
      moveDate(7 * DAY)
      await settled()
      expect(told).to.deep.equal([])
    })
  })

  describe('of a list of revoked certificates', () => {
    it('is told 14 days and 1 day before, with the name of its issuer', async () => {
      const { moveDate } = movableDate()
      const nextUpdate = inMs(60 * DAY)
      const server = await makeServer({
        ca: cas,
        crl: [(await certificates()).crl, await authority.createCrl([], { nextUpdate })]
      })
      const told: ExpiringList[] = []
      server.on('crl-expiring', list => {
        if (list.issuer === 'CN=of the short lived') told.push(list)
      })
      await once(server, 'connect')
      moveDate(45.9 * DAY)
      await settled()
      expect(told).to.deep.equal([])
      moveDate(46.1 * DAY)
      await settled()
      moveDate(59.1 * DAY)
      await settled()
      expect(told).to.deep.equal([
        { issuer: 'CN=of the short lived', nextUpdate, days: 14 },
        { issuer: 'CN=of the short lived', nextUpdate, days: 1 }
      ])
    })

    it('is not told before half of its time is over: lists are short-lived', async () => {
      const { moveDate } = movableDate()
      const all = await certificates()
      const crl = [all.crl, await authority.createCrl([], { nextUpdate: inMs(7 * DAY) })]
      const { server } = await startServer({ ca: cas, crl })
      const told: number[] = []
      server.on('crl-expiring', ({ issuer, days }) => {
        if (issuer === 'CN=of the short lived') told.push(days)
      })
      await settled()
      moveDate(3 * DAY)
      await settled()
      expect(told).to.deep.equal([])
      moveDate(4 * DAY)
      await settled()
      expect(told).to.deep.equal([14])
    })

    it('is not told of one that reload() has replaced', async () => {
      const { moveDate } = movableDate()
      const all = await certificates()
      const crl = [all.crl, await authority.createCrl([], { nextUpdate: inMs(60 * DAY) })]
      const { server } = await startServer({ ca: cas, crl })
      const told: string[] = []
      server.on('crl-expiring', ({ issuer }) => told.push(issuer))
      server.reload({ crl: [all.crl, await authority.createCrl([], { nextUpdate: inMs(360 * DAY) })] })
      moveDate(50 * DAY)
      await settled()
      expect(told.filter(issuer => issuer === 'CN=of the short lived')).to.deep.equal([])
    })
  })
})
