import { once } from 'node:events'
import https from 'node:https'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'

const HIGH_WATER_MARK = 256 * 1024
const MAX_MESSAGE_LENGTH = 16 * 1024 * 1024

export async function listen({ credentials, variant }, onChannel) {
  const server = https.createServer({ ...credentials.server, requestCert: true, minVersion: 'TLSv1.3' })
  const sockets = new Server(server, {
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: MAX_MESSAGE_LENGTH
  })
  sockets.on('connection', socket => onChannel(channelOf(socket, socket.conn, variant)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port }
}

export async function connect({ credentials, variant }, port) {
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
  return channelOf(socket, socket.io.engine, variant)
}

/**
 * Socket.IO has no word for "wait": its engine's `drain`, and below it the WebSocket's queue, say it. The event comes
 * between a message's header and its bytes: what is sent from within it would break the message.
 */
function channelOf(socket, engine, { isAsked }) {
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
  if (isAsked) askInstead(channel, socket)
  else socket.on('m', message => channel.onmessage(message))
  return channel
}

function askInstead(channel, socket) {
  const onAnswer = answer => channel.onmessage(answer)
  const onFailed = error => process.emit('uncaughtException', error)
  channel.send = message => {
    socket.emitWithAck('m', message).then(onAnswer, onFailed)
    return true
  }
  socket.on('m', (request, answer) => {
    channel.send = answer
    channel.onmessage(request)
  })
}
