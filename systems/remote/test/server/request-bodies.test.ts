import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { RemoteError } from '../../lib/errors/remote-error'
import { RequestBodies, type RequestBodyLimits } from '../../lib/server/request-bodies'

describe('The bodies of requests', () => {
  closesWhatItOpened()
  let bodies: RequestBodies
  let port: number
  /** What became of each body, by the path of its request. */
  let became: Map<string, Uint8Array | RemoteError>
  let mayRead: Promise<void>
  const asked = new Map<string, IncomingMessage>()

  async function start(limits: Partial<RequestBodyLimits> = {}): Promise<void> {
    bodies = new RequestBodies({ maxBytes: 100_000, ...limits })
    became = new Map()
    mayRead = Promise.resolve()
    const read = async (incoming: IncomingMessage) => {
      asked.set(incoming.url ?? '', incoming)
      await mayRead
      return await bodies.read(incoming).catch((error: RemoteError) => error)
    }
    const server = createServer((incoming, response) => {
      void read(incoming).then(body => {
        became.set(incoming.url ?? '', body)
        response.end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onCleanUp(() => {
      server.closeAllConnections()
      server.close()
    })
    port = (server.address() as AddressInfo).port
  }

  function post(path: string, length: number | undefined, ...parts: (Buffer | string)[]): Socket {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    onCleanUp(() => socket.destroy())
    const framing = length === undefined ? 'transfer-encoding: chunked' : `content-length: ${length}`
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\n${framing}\r\n\r\n`)
    for (const part of parts) socket.write(part)
    return socket
  }

  const failed = (path: string) => {
    const { code, reason } = became.get(path) as RemoteError
    return [code, reason]
  }
  const is = (path: string) => until(() => became.has(path))

  it('are read as they are, whole or in pieces, and nothing of them is kept then', async () => {
    await start()
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251))
    post('/whole', bytes.length, bytes)
    post('/empty', 0)
    const pieces = [...bytes.subarray(0, 3_000)].map(byte => Buffer.of(byte))
    const chunks = pieces.map(piece => Buffer.concat([Buffer.from('1\r\n'), piece, Buffer.from('\r\n')]))
    post('/chunks', undefined, Buffer.concat(chunks), '0\r\n\r\n')
    await Promise.all(['/whole', '/empty', '/chunks'].map(is))
    expect(bytes.equals(became.get('/whole') as Uint8Array)).to.equal(true)
    expect(became.get('/empty')).to.have.length(0)
    expect(bytes.subarray(0, 3_000).equals(became.get('/chunks') as Uint8Array)).to.equal(true)
    expect(bodies.waitingBytes).to.equal(0)
  })

  it('are not read when they are too long, whether they say so or not', async () => {
    await start()
    post('/said', 100_001, 'x')
    post('/not-said', undefined, `30d40\r\n${'x'.repeat(200_000)}\r\n0\r\n\r\n`)
    await Promise.all(['/said', '/not-said'].map(is))
    expect(failed('/said')).to.deep.equal(['refused', 'too-large'])
    expect(failed('/not-said')).to.deep.equal(['refused', 'too-large'])
    expect(bodies.waitingBytes).to.equal(0)
  })

  it('have a time, and end with their connection, also before they are read', async () => {
    await start({ timeout: 200 })
    post('/slow', 10, 'half')
    await is('/slow')
    expect(failed('/slow')).to.deep.equal(['timeout', 'too-slow'])
    expect(bodies.waitingBytes).to.equal(0)
    await start()
    const gone = post('/gone', 10, 'half')
    await until(() => bodies.waitingBytes > 0)
    gone.destroy()
    await is('/gone')
    expect(failed('/gone')).to.deep.equal(['disconnected', undefined])
    let begin = () => {}
    mayRead = new Promise(resolve => {
      begin = resolve
    })
    const before = post('/before', 10, 'half')
    await until(() => asked.has('/before'))
    before.destroy()
    await until(() => asked.get('/before')?.destroyed === true)
    begin()
    await is('/before')
    expect(failed('/before')).to.deep.equal(['disconnected', undefined])
    expect(bodies.waitingBytes).to.equal(0)
  })

  it('of one address are bounded together: a further one is refused, and what ends makes room', async () => {
    await start({ maxBytesPerAddress: 200_000 })
    const half = Buffer.alloc(60_000)
    const sockets = ['/1', '/2', '/3', '/4'].map(path => post(path, 100_000, half))
    await until(() => became.size > 0)
    expect(became.size).to.be.within(1, 3)
    for (const path of became.keys()) expect(failed(path)).to.deep.equal(['refused', 'busy'])
    for (const socket of sockets) socket.destroy()
    await until(() => became.size === 4)
    post('/5', 100_000, half, Buffer.alloc(40_000))
    await is('/5')
    expect(became.get('/5')).to.have.length(100_000)
    expect(bodies.waitingBytes).to.equal(0)
  })

  it('of all are bounded together: the longest are refused, and a short one gets through', async () => {
    await start({ maxBytesInAll: 500_000 })
    let most = 0
    for (let index = 0; index < 20; index++) post(`/${index}`, 100_000, Buffer.alloc(90_000))
    post('/short', 10, '0123456789')
    await until(() => {
      most = Math.max(most, bodies.waitingBytes)
      return became.size >= 12 && became.has('/short')
    })
    expect(most).to.be.at.most(600_000)
    expect(became.get('/short')).to.have.length(10)
    became.delete('/short')
    for (const path of became.keys()) expect(failed(path)).to.deep.equal(['refused', 'busy'])
  })
})
