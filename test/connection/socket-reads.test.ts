import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { TokenClient } from '../../lib/client/token-client'
import type { Connection } from '../../lib/connection/connection'
import { SocketReads } from '../../lib/connection/socket-reads'
import { frame, pattern } from '../helpers/bytes'
import { certificates } from '../helpers/certificates'
import {
  closesWhatItOpened,
  connectPair,
  makeClient,
  onCleanUp,
  startServer,
  tlsOptions,
  until
} from '../helpers/loopback'
import { settled, tokensOf, uncaughtDuring } from '../helpers/moments'

const KIB = 1024

/** Around the bounds of what is read into: memory for a few answers, a record, a slab, a part. */
const LENGTHS = [0, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB].flatMap(length =>
  [-8, -4, 0, 4, 8].map(difference => Math.max(0, length + difference))
)

function connectionOf(client: TokenClient): Connection {
  return client.connection as Connection
}

/** Sends them all, as fast as they are taken. */
async function sendAll(connection: Connection, tokens: Buffer[]): Promise<void> {
  for (const token of tokens) {
    connection.send(token)
    if (connection.writableNeedDrain) await once(connection, 'drain')
  }
}

/** A server of TLS that writes these bytes as soon as someone is there. */
async function greetingServer(bytes: Buffer): Promise<{ port: number; accepted: Promise<TLSSocket> }> {
  const { ca, server: own } = await certificates()
  const server = createServer({ ...own, ca, requestCert: true })
  const accepted = once(server, 'secureConnection').then(([socket]) => {
    socket.on('error', () => {})
    socket.write(bytes)
    return socket as TLSSocket
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onCleanUp(async () => {
    ;(await accepted).destroy()
    server.close()
    await once(server, 'close')
  })
  return { port: (server.address() as { port: number }).port, accepted }
}

/** What a sink was given, all of it. */
class Sink {
  bytes: Buffer = Buffer.alloc(0)
  chunks: Buffer[] = []

  onData = (chunk: Buffer): void => {
    this.chunks.push(chunk)
    this.bytes = Buffer.concat([this.bytes, chunk])
  }

  memory = (): Buffer | null => null
}

describe('SocketReads', () => {
  closesWhatItOpened()

  for (const protocol of ['token/1', 'token/2'] as const) {
    it(`a client of ${protocol} reads tokens at every bound as they were sent, and keeps them`, async () => {
      const { server } = await startServer({ protocol })
      const { client, connection: served } = await connectPair(server, { protocol })
      const connection = connectionOf(client)
      expect(SocketReads.of(connection.socket)).to.not.equal(undefined)
      // The small ones between them are read into memory that the large ones have begun.
      const sent = LENGTHS.flatMap(length => [pattern(length), Buffer.from('between')])
      const [received] = await Promise.all([tokensOf(connection, sent.length), sendAll(served, sent)])
      expect(received.map(token => token.length)).to.deep.equal(sent.map(token => token.length))
      expect(received.findIndex((token, index) => !token.equals(sent[index] as Buffer))).to.equal(-1)
    })
  }

  it('a client over a socket of the application reads its `data`, the same tokens', async () => {
    const { port } = await startServer()
    const tcp = connectTcp(port, '127.0.0.1')
    onCleanUp(() => tcp.destroy())
    const client = await makeClient(port, { socket: tcp } as object)
    await once(client, 'connect')
    expect(SocketReads.of(connectionOf(client).socket)).to.equal(undefined)
  })

  it('a name with several addresses, the first of them refused, is read as well', async () => {
    const { server, port } = await startServer()
    server.on('token', (token, connection) => connection.send(token))
    const client = await makeClient(port, { host: 'localhost' })
    await once(client, 'connect')
    const connection = connectionOf(client)
    connection.send(pattern(100_000))
    const [token] = await tokensOf(connection, 1)
    expect(token?.equals(pattern(100_000))).to.equal(true)
  })

  it('what a server says before the client is ready is not lost', async () => {
    const { port } = await greetingServer(Buffer.concat([frame(pattern(40_000)), frame('second')]))
    const client = await makeClient(port, { protocol: 'token/1' })
    await once(client, 'connect')
    const [first, second] = await tokensOf(connectionOf(client), 2)
    expect([first?.equals(pattern(40_000)), second?.toString()]).to.deep.equal([true, 'second'])
  })

  describe('by itself', () => {
    async function dial(bytes: Buffer) {
      const { port, accepted } = await greetingServer(bytes)
      const reads = new SocketReads()
      const socket = connectTls({ ...(await tlsOptions(port)), onread: reads.onread } as object)
      reads.own(socket)
      onCleanUp(() => socket.destroy())
      await once(socket, 'secureConnect')
      return { reads, socket, peer: await accepted }
    }

    it('waits for the first sink, and reads no further meanwhile', async () => {
      const all = pattern(4 * 1024 * KIB)
      const { reads, socket } = await dial(all)
      await until(() => socket.bytesRead > 0)
      await settled()
      const read = socket.bytesRead
      expect(read).to.be.below(all.length)
      await settled()
      expect(socket.bytesRead).to.equal(read)
      const sink = new Sink()
      reads.attach(sink)
      socket.resume()
      await until(() => sink.bytes.length === all.length)
      expect(sink.bytes.equals(all)).to.equal(true)
    })

    it('pauses with its socket, and tells the end', async () => {
      const { reads, socket, peer } = await dial(pattern(10))
      const sink = new Sink()
      reads.attach(sink)
      socket.resume()
      await until(() => sink.bytes.length === 10)
      socket.pause()
      peer.write('paused')
      await settled()
      expect(sink.bytes.length).to.equal(10)
      socket.resume()
      await until(() => sink.bytes.length === 16)
      peer.end()
      await once(socket, 'end')
    })

    it('throws away what comes after a release, until another sink is there', async () => {
      const { reads, socket, peer } = await dial(pattern(10))
      const [first, second] = [new Sink(), new Sink()]
      reads.attach(first)
      socket.resume()
      await until(() => first.bytes.length === 10)
      reads.release()
      const read = socket.bytesRead
      peer.write('nobody')
      await until(() => socket.bytesRead > read)
      reads.attach(second)
      peer.write('somebody')
      await until(() => second.bytes.length === 8)
      expect([first.bytes.length, second.bytes.toString()]).to.deep.equal([10, 'somebody'])
    })

    it('goes on after an exception of its sink, which is told as uncaught', async () => {
      const { reads, socket, peer } = await dial(pattern(10))
      const sink = new Sink()
      reads.attach({
        onData: chunk => {
          sink.onData(chunk)
          throw new Error('of the sink')
        },
        memory: () => null
      })
      const uncaught = await uncaughtDuring(async () => {
        socket.resume()
        await until(() => sink.bytes.length === 10)
        peer.write('more')
        await until(() => sink.bytes.length === 14)
      })
      expect(uncaught.map(String)).to.deep.equal(['Error: of the sink', 'Error: of the sink'])
      expect(sink.chunks.map(String)).to.deep.equal([pattern(10).toString(), 'more'])
    })

    it('keeps nothing for an idle socket: two share memory, and never a byte of it', async () => {
      const all = [await dial(pattern(10)), await dial(pattern(20))]
      const sinks = all.map(({ reads, socket }) => {
        const sink = new Sink()
        reads.attach(sink)
        socket.resume()
        return sink
      })
      await until(() => sinks.every(({ bytes }) => bytes.length > 0))
      const [first, second] = sinks.map(({ chunks }) => chunks[0] as Buffer) as [Buffer, Buffer]
      expect(first.buffer).to.equal(second.buffer)
      expect([first, second].map(chunk => chunk.equals(pattern(chunk.length)))).to.deep.equal([true, true])
    })
  })
})
