import { once } from 'node:events'
import https from 'node:https'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Bytes that may wait in a WebSocket before its sender does: the same as the high water mark of ours. */
const HIGH_WATER_MARK = 256 * 1024

/** `ws` decides once, when it is loaded, whether it uses bufferutil: it is loaded twice. */
function load(isPlain) {
  if (isPlain) process.env.WS_NO_BUFFER_UTIL = '1'
  else require('bufferutil')
  try {
    const folder = require.resolve('ws').replace(/index\.js$/, '')
    for (const path of Object.keys(require.cache)) if (path.startsWith(folder)) delete require.cache[path]
    return require('ws')
  } finally {
    delete process.env.WS_NO_BUFFER_UTIL
  }
}

const loaded = new Map()

function webSocket(isPlain = false) {
  if (!loaded.has(isPlain)) loaded.set(isPlain, load(isPlain))
  return loaded.get(isPlain)
}

export async function listen({ credentials, variant }, onChannel) {
  const { WebSocketServer } = webSocket(variant.isPlain)
  const server = https.createServer({ ...credentials.server, requestCert: true, minVersion: 'TLSv1.3' })
  const webSockets = new WebSocketServer({ server, perMessageDeflate: false })
  webSockets.on('connection', socket => onChannel(channelOf(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port }
}

export async function connect({ credentials, variant }, port) {
  const { WebSocket } = webSocket(variant.isPlain)
  const socket = new WebSocket(`wss://127.0.0.1:${port}`, {
    ...credentials.client,
    minVersion: 'TLSv1.3',
    perMessageDeflate: false
  })
  const channel = channelOf(socket)
  await once(socket, 'open')
  return channel
}

function channelOf(socket) {
  const onWritten = () => channel.ondrain?.()
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => {
      // The one that reaches the mark asks to be told when it has been written, all before it included.
      if (socket.bufferedAmount < HIGH_WATER_MARK) {
        socket.send(message)
        return true
      }
      socket.send(message, onWritten)
      return false
    },
    cipher: null
  }
  socket.on('message', message => channel.onmessage(message))
  socket.on('error', () => {})
  return channel
}
