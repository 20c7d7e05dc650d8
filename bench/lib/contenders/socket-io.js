import { once } from 'node:events'
import https from 'node:https'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'

const HIGH_WATER_MARK = 256 * 1024
const MAX_MESSAGE_LENGTH = 16 * 1024 * 1024

export async function listen({ credentials }, onChannel) {
  const server = https.createServer({ ...credentials.server, requestCert: true, minVersion: 'TLSv1.3' })
  const sockets = new Server(server, {
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: MAX_MESSAGE_LENGTH
  })
  sockets.on('connection', socket => onChannel(channelOf(socket, socket.conn)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port }
}

export async function connect({ credentials }, port) {
  const socket = io(`https://127.0.0.1:${port}`, {
    ...credentials.client,
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    perMessageDeflate: false
  })
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', reject)
  })
  return channelOf(socket, socket.io.engine)
}

/**
 * Socket.IO has no word for "wait": its engine's `drain`, and below it the WebSocket's queue, say it. The event comes
 * between a message's header and its bytes: what is sent from within it would break the message.
 */
function channelOf(socket, engine) {
  let waiting = 0
  let isScheduled = false
  const drain = () => {
    isScheduled = false
    const webSocket = engine.transport.ws ?? engine.transport.socket
    if (webSocket.bufferedAmount >= HIGH_WATER_MARK) {
      isScheduled = true
      setImmediate(drain)
      return
    }
    waiting = 0
    channel.ondrain?.()
  }
  engine.on('drain', () => {
    if (isScheduled) return
    isScheduled = true
    process.nextTick(drain)
  })
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => {
      waiting += message.length
      socket.emit('m', message)
      return waiting < HIGH_WATER_MARK
    },
    cipher: null
  }
  socket.on('m', message => channel.onmessage(message))
  return channel
}
