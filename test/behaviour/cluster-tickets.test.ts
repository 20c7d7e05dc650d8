import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenClientOptions } from '../../lib'
import { type Certificates, certificates } from '../helpers/certificates'
import {
  closesWhatItOpened,
  eventsOf,
  makeClient,
  onCleanUp,
  plainServer,
  serverOptions,
  startServer
} from '../helpers/loopback'

describe('servers that share ticketKeys', () => {
  closesWhatItOpened()

  let all: Certificates
  const ticketKeys = randomBytes(48)
  /** Where the balancer sends who comes next. */
  let target = 0

  before(async () => {
    all = await certificates()
  })

  /** A client that sees one address, behind which stand several servers. */
  async function clientOfBalancer(over: Partial<TokenClientOptions> = {}): Promise<TokenClient> {
    const port = await plainServer(socket => {
      const onward = connect(target, '127.0.0.1')
      onward.on('error', () => socket.destroy())
      socket.on('close', () => onward.destroy())
      onward.on('close', () => socket.destroy())
      socket.pipe(onward).pipe(socket)
    })
    return await makeClient(port, over)
  }

  /** Dials the balancer, sends a token and closes. @returns whether TLS was resumed */
  async function visit(client: TokenClient): Promise<boolean> {
    client.connect()
    await once(client, 'connect')
    const { socket } = client.connection as Connection
    const isResumed = (socket as TLSSocket).isSessionReused()
    await client.deliver(Buffer.from('here'))
    client.close()
    await client.closed
    return isResumed
  }

  async function visits(client: TokenClient, ports: readonly number[]): Promise<boolean[]> {
    const resumed: boolean[] = []
    for (const port of ports) {
      target = port
      resumed.push(await visit(client))
    }
    return resumed
  }

  async function twin(over = {}) {
    const { server, port } = await startServer({ ticketKeys, ...over })
    server.on('token', () => {})
    return { server, port }
  }

  it('resume the tickets of each other, again and again', async () => {
    const [a, b] = [await twin(), await twin()]
    target = a.port
    const client = await clientOfBalancer()
    expect(await visits(client, [a.port, b.port, b.port, a.port])).to.deep.equal([false, true, true, true])
  })

  it('do not where the keys differ, and then the client is accepted all the same', async () => {
    const [a, b] = [await twin(), await twin({ ticketKeys: randomBytes(48) })]
    target = a.port
    const client = await clientOfBalancer()
    expect(await visits(client, [a.port, b.port])).to.deep.equal([false, false])
  })

  it('do not where the trust differs: the client is judged by who stands there', async () => {
    const [a, strict] = [await twin({ crl: undefined }), await twin({ crl: all.crl })]
    target = a.port
    const revoked = await clientOfBalancer(all.bad.revoked)
    expect(await visits(revoked, [a.port])).to.deep.equal([false])
    target = strict.port
    const events = eventsOf(revoked)
    revoked.connect()
    const { error } = await revoked.closed
    expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'certificate-unknown' })
    expect(events).to.deep.equal(['error', 'close(true)'])
  })

  it('do not after one of them has taken other CAs, and again once the other has as well', async () => {
    const [a, b] = [await twin(), await twin()]
    target = a.port
    const client = await clientOfBalancer()
    expect(await visits(client, [a.port, b.port])).to.deep.equal([false, true])
    const ca = [all.ca, all.otherCa]
    b.server.reload({ ca })
    expect(await visits(client, [b.port])).to.deep.equal([false])
    a.server.reload({ ca })
    expect(await visits(client, [a.port])).to.deep.equal([true])
  })
})

describe('workers of a cluster that share ticketKeys', () => {
  closesWhatItOpened()

  /** A worker that serves. @returns the port, which is the same for all of them */
  async function startWorker(ticketKeys: Buffer): Promise<number> {
    cluster.setupPrimary({ exec: join(__dirname, '../helpers/cluster-worker.js'), execArgv: [], args: [] })
    const worker: Worker = cluster.fork()
    onCleanUp(async () => {
      const exited = once(worker, 'exit')
      worker.disconnect()
      await exited
    })
    await once(worker, 'online')
    worker.send({ ...(await serverOptions()), ticketKeys: ticketKeys.toString('hex') })
    const [{ address }] = (await once(worker, 'message')) as [{ address: { port: number } }]
    return address.port
  }

  it('resume the tickets of each other, whichever of them is reached', async () => {
    const ticketKeys = randomBytes(48)
    const port = await startWorker(ticketKeys)
    expect(await startWorker(ticketKeys)).to.equal(port)
    const client = await makeClient(port)
    const visits: { worker: string; isResumed: boolean }[] = []
    while (visits.length < 6) {
      await once(client, 'connect')
      const connection = client.connection as Connection
      connection.send(Buffer.from('who?'))
      const [answer] = (await once(connection, 'token')) as [Buffer]
      visits.push({
        worker: answer.toString(),
        isResumed: (connection.socket as TLSSocket).isSessionReused()
      })
      client.close()
      await client.closed
      client.connect()
    }
    expect(new Set(visits.map(({ worker }) => worker)).size, 'workers that were reached').to.equal(2)
    expect(visits.map(({ isResumed }) => isResumed)).to.deep.equal([false, true, true, true, true, true])
  })
})
