import { createRequire } from 'node:module'

const { Pair, curveKeyPair } = createRequire(import.meta.url)('zeromq')

/** Bytes that may wait in each of its two queues, which count messages. */
const QUEUE_BYTES = 1024 * 1024
const MAX_QUEUE_LENGTH = 1000

/** Messages that wait for the one that is being sent: a socket takes one at a time. */
const MAX_WAITING = 64

/** CURVE instead of TLS: both sides know the other's public key (Curve25519, XSalsa20, Poly1305). */
export async function listen({ credentials, size }, onChannel) {
  const { server, client } = credentials.curve
  const socket = new Pair({
    curveServer: true,
    curvePublicKey: server.publicKey,
    curveSecretKey: server.secretKey,
    ...queues(size)
  })
  // Only this key may come in: ZeroMQ asks a handler on this address for each client.
  const zap = await allowOnly(client.publicKey)
  await socket.bind('tcp://127.0.0.1:*')
  const port = Number(socket.lastEndpoint.split(':').pop())
  const channel = channelOf(socket)
  onChannel(channel)
  return {
    port,
    close: () => {
      channel.close()
      zap.close()
    }
  }
}

export function connect({ credentials, size }, port) {
  const { server, client } = credentials.curve
  const socket = new Pair({
    curveServerKey: server.publicKey,
    curvePublicKey: client.publicKey,
    curveSecretKey: client.secretKey,
    ...queues(size)
  })
  socket.connect(`tcp://127.0.0.1:${port}`)
  return channelOf(socket)
}

export { curveKeyPair }

function queues(size) {
  const length = Math.max(2, Math.min(MAX_QUEUE_LENGTH, Math.ceil(QUEUE_BYTES / size)))
  return { sendHighWaterMark: length, receiveHighWaterMark: length, linger: 0 }
}

async function allowOnly(publicKey) {
  const { Reply } = createRequire(import.meta.url)('zeromq')
  const zap = new Reply()
  await zap.bind('inproc://zeromq.zap.01')
  const answer = async () => {
    for await (const [version, id, , , , mechanism, key] of zap) {
      const isAllowed = mechanism.toString() === 'CURVE' && z85(key) === publicKey
      await zap.send([version, id, isAllowed ? '200' : '400', isAllowed ? 'OK' : 'No', 'client', ''])
    }
  }
  answer().catch(() => {})
  return zap
}

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/** ZeroMQ's own base 85: the handler gets the key as bytes, the options have it as text. */
function z85(bytes) {
  let text = ''
  for (let offset = 0; offset < bytes.length; offset += 4) {
    const word = bytes.readUInt32BE(offset)
    for (let power = 4; power >= 0; power--) text += Z85[Math.floor(word / 85 ** power) % 85]
  }
  return text
}

function channelOf(socket) {
  let waiting = []
  let isSending = false
  const sendAll = async () => {
    isSending = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      for (const message of batch) await socket.send(message)
      if (waiting.length === 0) channel.ondrain?.()
    }
    isSending = false
  }
  const fail = error => {
    if (!socket.closed) process.emit('uncaughtException', error)
  }
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => {
      waiting.push(message)
      if (!isSending) sendAll().catch(fail)
      return waiting.length < MAX_WAITING
    },
    close: () => socket.close(),
    cipher: 'CURVE'
  }
  const receive = async () => {
    for await (const [message] of socket) channel.onmessage(message)
  }
  receive().catch(fail)
  return channel
}
