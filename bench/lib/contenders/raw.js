import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'

/** What every framing stands on: bytes, and nobody who knows where a message ends. */
export async function listen({ credentials, variant }, onChannel) {
  const onSocket = socket => onChannel(channelOf(socket))
  const server = variant.isPlain
    ? net.createServer({ noDelay: true }, onSocket)
    : tls.createServer(
        { ...credentials.server, requestCert: true, minVersion: 'TLSv1.3', noDelay: true },
        onSocket
      )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port }
}

export async function connect({ credentials, variant }, port) {
  const host = '127.0.0.1'
  const socket = variant.isPlain
    ? net.connect({ host, port })
    : tls.connect({ ...credentials.client, host, port, minVersion: 'TLSv1.3' })
  await once(socket, variant.isPlain ? 'connect' : 'secureConnect')
  return channelOf(socket)
}

function channelOf(socket) {
  socket.setNoDelay(true)
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => socket.write(message),
    cipher: socket.getCipher?.().name ?? null
  }
  socket.on('data', chunk => channel.onmessage(chunk))
  socket.on('drain', () => channel.ondrain?.())
  // A side that is closed first resets the other one, which is no failure of a turn: those are counted.
  socket.on('error', () => {})
  return channel
}
