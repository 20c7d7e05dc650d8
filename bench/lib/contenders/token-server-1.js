import { once } from 'node:events'
import { createRequire } from 'node:module'

const { TokenClient, TokenServer } = createRequire(import.meta.url)('token-server-1')

/** The original of npm: its `send` knows no backpressure, its socket does. */
export async function listen({ credentials }, onChannel) {
  const server = new TokenServer({
    ...credentials.server,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    host: '127.0.0.1',
    port: 0
  })
  server.server.on('secureConnection', () => {
    const connection = server.connections.at(-1)
    onChannel(channelOf(connection, connection))
  })
  await once(server, 'connect')
  return { port: server.server.address().port }
}

export async function connect({ credentials }, port) {
  const client = new TokenClient({
    ...credentials.client,
    minVersion: 'TLSv1.3',
    host: '127.0.0.1',
    port
  })
  await once(client, 'connect')
  return channelOf(client.connection, client)
}

function channelOf(connection, emitter) {
  const { socket } = connection
  socket.setNoDelay(true)
  socket.on('error', () => {})
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => {
      if (!connection.send(message)) throw new Error('send() took nothing')
      return !socket.writableNeedDrain
    },
    cipher: socket.getCipher().name
  }
  emitter.on('token', token => channel.onmessage(token))
  socket.on('drain', () => channel.ondrain?.())
  return channel
}
