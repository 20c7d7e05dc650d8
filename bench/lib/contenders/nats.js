import { randomUUID } from 'node:crypto'
import { connect as dial } from '@nats-io/transport-node'

/** A flush (PING and PONG with the broker) is asked for after this many bytes, and two may be open. */
const FLUSH_BYTES = 256 * 1024
const MAX_OPEN_FLUSHES = 2

/** Milliseconds for an answer. */
const TIMEOUT = 10_000

/** Both sides are clients of a broker, which runs in a process of its own. */
export async function listen({ credentials, brokerPort, variant }, onChannel) {
  const connection = await dialBroker(brokerPort, credentials.server)
  const channels = new Map()
  connection.subscribe('hello.*', {
    callback: (_error, hello) => {
      const id = hello.subject.slice('hello.'.length)
      const channel = channelOf(connection, `client.${id}`)
      channels.set(`server.${id}`, channel)
      onChannel(channel)
      hello.respond()
    }
  })
  connection.subscribe('server.*', {
    callback: (_error, message) => {
      const channel = channels.get(message.subject)
      if (variant.isAsked) channel.send = answer => message.respond(answer)
      channel.onmessage(message.data)
    }
  })
  await connection.flush()
  return { port: brokerPort }
}

export async function connect({ credentials, variant }, port) {
  const connection = await dialBroker(port, credentials.client)
  const id = randomUUID()
  const channel = channelOf(connection, `server.${id}`)
  connection.subscribe(`client.${id}`, { callback: (_error, { data }) => channel.onmessage(data) })
  await connection.flush()
  await connection.request(`hello.${id}`, undefined, { timeout: TIMEOUT })
  if (variant.isAsked) askInstead(channel, connection, `server.${id}`)
  return channel
}

function dialBroker(port, { key, cert, ca }) {
  return dial({
    servers: `127.0.0.1:${port}`,
    tls: { key, cert, ca },
    reconnect: false,
    noAsyncTraces: true
  })
}

function channelOf(connection, subject) {
  let bytes = 0
  let openFlushes = 0
  const onFlushed = () => {
    openFlushes--
    channel.ondrain?.()
  }
  // Only a connection that ends breaks a flush, and then the count of messages tells.
  const onBroken = () => {}
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => {
      connection.publish(subject, message)
      bytes += message.length
      if (bytes >= FLUSH_BYTES) {
        bytes = 0
        openFlushes++
        connection.flush().then(onFlushed, onBroken)
      }
      return openFlushes < MAX_OPEN_FLUSHES
    },
    cipher: null
  }
  return channel
}

function askInstead(channel, connection, subject) {
  const onAnswer = ({ data }) => channel.onmessage(data)
  const onFailed = error => process.emit('uncaughtException', error)
  channel.send = message => {
    connection.request(subject, message, { timeout: TIMEOUT }).then(onAnswer, onFailed)
    return true
  }
}
