import { once } from 'node:events'
import { loadLibrary } from '../library.js'

/** This library, of this checkout or of the one in `variant.library`. */
export async function listen({ credentials, variant }, onChannel) {
  const { TokenServer } = loadLibrary(variant.library)
  const server = new TokenServer({
    ...credentials.server,
    ...optionsOf(variant),
    host: '127.0.0.1',
    port: 0,
    maxConnectionsPerIdentity: 10_000
  })
  server.on('connection', connection => onChannel(channelOf(connection, variant)))
  await once(server, 'connect')
  return { port: server.address().port }
}

export async function connect({ credentials, variant }, port) {
  const { TokenClient } = loadLibrary(variant.library)
  const client = new TokenClient({
    ...credentials.client,
    ...optionsOf(variant),
    host: '127.0.0.1',
    port
  })
  try {
    await once(client, 'connect')
  } catch (error) {
    throw variant.session ? new Error(`the option session is refused: ${error.message}`) : error
  }
  return channelOf(client.connection, variant)
}

function optionsOf({ protocol, session }) {
  return session === undefined ? { protocol } : { protocol, session }
}

function channelOf(connection, { isDelivered, isChunked, isAsked }) {
  const channel = { onmessage: null, ondrain: null, send: null, cipher: null }
  channel.cipher = connection.socket.getCipher?.().name ?? null
  channel.send = message => {
    if (!connection.send(message)) throw new Error('send() took nothing')
    return !connection.writableNeedDrain
  }
  if (isDelivered) deliverInstead(channel, connection)
  if (isAsked) askInstead(channel, connection)
  else if (isChunked) takeChunks(channel, connection)
  else connection.on('token', token => channel.onmessage(token))
  connection.on('drain', () => channel.ondrain?.())
  return channel
}

function deliverInstead(channel, connection) {
  let open = 0
  let whenSettled = null
  const onDelivered = () => {
    if (--open === 0) whenSettled?.()
  }
  const onFailed = error => process.emit('uncaughtException', error)
  channel.send = message => {
    open++
    connection.deliver(message).then(onDelivered, onFailed)
    return !connection.writableNeedDrain
  }
  channel.settled = () =>
    new Promise(resolve => {
      whenSettled = resolve
      if (open === 0) resolve()
    })
}

function askInstead(channel, connection) {
  const onAnswer = answer => channel.onmessage(answer)
  const onFailed = error => process.emit('uncaughtException', error)
  channel.send = message => {
    connection.request(message).then(onAnswer, onFailed)
    return !connection.writableNeedDrain
  }
  connection.handle(request => {
    let answer = null
    channel.send = message => {
      answer = message
    }
    channel.onmessage(request)
    // As an async handler.
    return Promise.resolve(answer)
  })
}

function takeChunks(channel, connection) {
  const run = async () => {
    for await (const token of connection.incomingTokens()) {
      let first = null
      let length = 0
      for await (const chunk of token) {
        first ??= chunk
        length += chunk.length
      }
      channel.onparts(first, length)
    }
  }
  run().catch(error => process.emit('uncaughtException', error))
}
