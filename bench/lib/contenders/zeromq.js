import { createRequire } from 'node:module'
import { z85 } from '../curve.js'

const { Pair, Reply } = createRequire(import.meta.url)('zeromq')

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
  await allowOnly(client.publicKey)
  await socket.bind('tcp://127.0.0.1:*')
  const port = Number(socket.lastEndpoint.split(':').pop())
  onChannel(channelOf(socket))
  return { port }
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

function queues(size) {
  const length = Math.max(2, Math.min(MAX_QUEUE_LENGTH, Math.ceil(QUEUE_BYTES / size)))
  return { sendHighWaterMark: length, receiveHighWaterMark: length, linger: 0 }
}

async function allowOnly(publicKey) {
  const zap = new Reply()
  await zap.bind('inproc://zeromq.zap.01')
  const answer = async () => {
    for await (const [version, id, , , , mechanism, key] of zap) {
      const isAllowed = mechanism.toString() === 'CURVE' && z85(key) === publicKey
      await zap.send([version, id, isAllowed ? '200' : '400', isAllowed ? 'OK' : 'No', 'client', ''])
    }
  }
  answer().catch(error => process.emit('uncaughtException', error))
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
  const fail = error => process.emit('uncaughtException', error)
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => {
      waiting.push(message)
      if (!isSending) sendAll().catch(fail)
      return waiting.length < MAX_WAITING
    },
    cipher: 'CURVE'
  }
  const receive = async () => {
    for await (const [message] of socket) channel.onmessage(message)
  }
  receive().catch(fail)
  return channel
}
