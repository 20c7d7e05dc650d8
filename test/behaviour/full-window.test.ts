import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { Connection } from '../../lib'
import { encodeControl } from '../../lib/wire/control-frame'
import { FEATURE_ACK } from '../../lib/wire/hello'

const WINDOW = 64 * 1024
const TOKEN = Buffer.alloc(1020, 7)

/** A peer of token/2 by hand, which fills the window of a connection that nobody listens to. */
describe('a connection with a full window over TCP', () => {
  let server: Server
  let client: Socket
  let connection: Connection

  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    client.on('error', () => {})
    const [socket] = (await once(server, 'connection')) as [Socket]
    connection = new Connection(socket, { protocol: 'token/2', role: 'server', receiveWindow: WINDOW })
    const fingerprint = Buffer.alloc(32)
    const hello = { role: 'client' as const, features: FEATURE_ACK, maxTokenLength: 1024, heartbeat: 0 }
    client.write(encodeControl({ type: 'hello', ...hello, receiveWindow: 0, fingerprint, session: null }))
    await once(client, 'data')
    const frame = Buffer.concat([Buffer.from([0, 0, TOKEN.length >> 8, TOKEN.length & 255]), TOKEN])
    client.write(Buffer.concat(Array(WINDOW / frame.length).fill(frame)))
  })

  afterEach(async () => {
    client.destroy()
    connection.destroy()
    server.close()
    await once(server, 'close')
  })

  it('answers PING', async () => {
    client.write(encodeControl({ type: 'ping', opaque: Buffer.from('12345678') }))
    const [answer] = (await once(client, 'data')) as [Buffer]
    expect(answer).to.deep.equal(encodeControl({ type: 'pong', opaque: Buffer.from('12345678') }))
    expect(connection.unreadBytes).to.equal(WINDOW)
  })

  it('sees the end of its peer at once', async () => {
    client.end()
    expect(await connection.closed).to.include({ code: 'ERR_LOST', undeliveredBytes: WINDOW })
  })

  it('sees the reset of its peer at once', async () => {
    client.write(encodeControl({ type: 'ping', opaque: Buffer.alloc(8) }))
    await once(client, 'data')
    client.resetAndDestroy()
    const { error } = await connection.closed
    expect(error?.code).to.equal('ERR_SOCKET')
    expect(error?.cause).to.have.property('code', 'ECONNRESET')
  })

  it('refuses one token more', async () => {
    client.write(Buffer.from([0, 0, 0, 1, 7]))
    expect((await connection.closed).error).to.include({ code: 'ERR_PROTOCOL', closeCode: 'flow-control' })
  })
})
