import { once } from 'node:events'
import tls from 'node:tls'
import frameStream from 'frame-stream'
import lengthPrefixed from 'length-prefixed-stream'

/** Two framings that are streams, piped into and out of a TLS socket as their pages show it. */
export async function listen({ credentials, variant }, onChannel) {
  const server = tls.createServer(
    { ...credentials.server, requestCert: true, minVersion: 'TLSv1.3', noDelay: true },
    socket => onChannel(channelOf(socket, variant))
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port }
}

export async function connect({ credentials, variant }, port) {
  const socket = tls.connect({ ...credentials.client, host: '127.0.0.1', port, minVersion: 'TLSv1.3' })
  await once(socket, 'secureConnect')
  return channelOf(socket, variant)
}

function channelOf(socket, { isVarint }) {
  socket.setNoDelay(true)
  socket.on('error', () => {})
  const { encode, decode } = isVarint ? lengthPrefixed : frameStream
  const encoder = encode()
  encoder.pipe(socket)
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => encoder.write(message),
    cipher: socket.getCipher().name
  }
  encoder.on('drain', () => channel.ondrain?.())
  socket.pipe(decode()).on('data', message => channel.onmessage(message))
  return channel
}
