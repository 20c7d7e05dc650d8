import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { Connection, TokenClient, TokenClientOptions } from '../lib'
import { type Certificates, certificates } from './helpers/certificates'
import { closesWhatItOpened, eventsOf, makeClient, plainServer, startServer } from './helpers/loopback'

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
