import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { Connection } from '../../lib'
import { closesWhatItOpened, connectPair, onCleanUp, plainServer, startServer } from '../helpers/loopback'
import { connectionPair, destroyPairs, socketPair, unixPair } from '../helpers/pairs'
import { TcpProxy } from '../helpers/tcp-proxy'

describe('What an application asks of a connection', () => {
  closesWhatItOpened()
  afterEach(destroyPairs)

  /** A session on both sides, and a proxy that can cut it. */
  async function session() {
    const { server, port } = await startServer({ session: true })
    const proxy = await TcpProxy.to(port)
    const pair = await connectPair(server, { port: proxy.port, session: true, reconnect: () => 5 })
    return { ...pair, proxy }
  }

  describe('id', () => {
    it('is another short text for each connection of the process, in a worker thread too', async () => {
      const ids = [...connectionPair(), ...connectionPair()].map(({ id }) => id)
      const program = `
        const { parentPort } = require('node:worker_threads')
        const { Connection } = require(${JSON.stringify(require.resolve('../../lib'))})
        parentPort.postMessage(new Connection(new (require('node:stream').PassThrough)()).id)`
      const worker = new Worker(program, { eval: true })
      const [other] = await once(worker, 'message')
      await worker.terminate()
      expect(new Set([...ids, other]).size).to.equal(5)
      for (const id of [...ids, other]) expect(id).to.match(/^[\w.]{1,12}$/)
    })

    it('stays when the session goes on with another socket', async () => {
      const { client, connection, proxy } = await session()
      const own = client.connection as Connection
      const before = [own.id, connection.id]
      const { socket } = own
      proxy.cutAll()
      await once(client, 'resumed')
      expect(own.socket).not.to.equal(socket)
      expect([own.id, connection.id]).to.deep.equal(before)
    })
  })

  describe('data', () => {
    it("is the application's own, and undefined at first", () => {
      const [connection, other] = connectionPair()
      expect([connection.data, other.data]).to.deep.equal([undefined, undefined])
      connection.data = { name: 'ann' }
      expect([connection.data, other.data]).to.deep.equal([{ name: 'ann' }, undefined])
    })

    it('of authorize is there for the listeners, and stays when the session goes on', async () => {
      const { server, port } = await startServer({
        session: true,
        authorize: (peer, connection) => {
          connection.data ??= peer?.subject
          return true
        }
      })
      const proxy = await TcpProxy.to(port)
      const seen: unknown[] = []
      server.on('connection', ({ data }) => seen.push(data))
      const pair = await connectPair(server, { port: proxy.port, session: true, reconnect: () => 5 })
      expect(seen).to.deep.equal(['CN=ann'])
      pair.connection.data = 'changed'
      proxy.cutAll()
      await once(pair.client, 'resumed')
      expect(pair.connection.data).to.equal('changed')
    })
  })

  describe('remoteAddress and remotePort', () => {
    const placeOf = ({ remoteAddress, remotePort }: Connection) => [remoteAddress, remotePort]

    it('say where the other side is, on both sides, and where it was after the end', async () => {
      const { server, port } = await startServer()
      const { client, connection } = await connectPair(server)
      const own = client.connection as Connection
      const { localPort } = own.socket as Socket
      expect(placeOf(own)).to.deep.equal(['127.0.0.1', port])
      expect(placeOf(connection)).to.deep.equal(['127.0.0.1', localPort])
      client.close()
      await Promise.all([own.closed, connection.closed])
      expect(placeOf(own)).to.deep.equal(['127.0.0.1', port])
      expect(placeOf(connection)).to.deep.equal(['127.0.0.1', localPort])
    })

    it('are those of the newest socket of a session, and of the last one while it waits', async () => {
      const { client, connection, proxy } = await session()
      const before = placeOf(connection)
      const detached = once(connection, 'detached')
      const resumed = once(client, 'resumed')
      proxy.cutAll()
      await detached
      expect(placeOf(connection)).to.deep.equal(before)
      await resumed
      expect(placeOf(connection)).to.deep.equal(['127.0.0.1', (connection.socket as Socket).remotePort])
      expect(placeOf(connection)).not.to.deep.equal(before)
    })

    it('are known of a socket that was still connecting', async () => {
      const port = await plainServer()
      const socket = connect({ host: '127.0.0.1', port })
      const connection = new Connection(socket)
      onCleanUp(() => socket.destroy())
      expect(placeOf(connection)).to.deep.equal([null, null])
      await once(socket, 'connect')
      connection.destroy()
      await connection.closed
      expect(placeOf(connection)).to.deep.equal(['127.0.0.1', port])
    })

    it('are null over what has no address: a Unix socket, any other Duplex', async () => {
      const [socket] = await unixPair()
      for (const connection of [new Connection(socket), connectionPair()[0] as Connection]) {
        expect(placeOf(connection)).to.deep.equal([null, null])
      }
      const [tcp] = await socketPair()
      expect(placeOf(new Connection(tcp))[0], 'that TCP has one').to.equal('127.0.0.1')
    })
  })
})
