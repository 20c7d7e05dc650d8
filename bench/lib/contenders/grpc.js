import grpc from '@grpc/grpc-js'

const WINDOW = 1024 * 1024

const OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc-node.flow_control_window': WINDOW,
  'grpc.use_local_subchannel_pool': 1
}

const asIs = bytes => bytes

/** Bytes without protobuf: one stream of them in both directions, or a call for each. */
const [STREAM, UNARY] = [true, false].map(isStream => ({
  path: isStream ? '/bench/stream' : '/bench/unary',
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs
}))

export async function listen({ credentials, variant }, onChannel) {
  const { key, cert, ca } = credentials.server
  const server = new grpc.Server(OPTIONS)
  if (variant.isAsked) onChannel(answering(server))
  else server.addService({ stream: STREAM }, { stream: call => onChannel(channelOf(call)) })
  const pair = [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }]
  const secure = grpc.ServerCredentials.createSsl(Buffer.from(ca), pair, true)
  const port = await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', secure, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  return { port }
}

export async function connect({ credentials, variant }, port) {
  const { key, cert, ca } = credentials.client
  const secure = grpc.credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert))
  const client = new grpc.Client(`127.0.0.1:${port}`, secure, OPTIONS)
  await new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + 10_000, error => (error ? reject(error) : resolve()))
  })
  if (variant.isAsked) return asking(client)
  const call = client.makeBidiStreamRequest(STREAM.path, asIs, asIs)
  return channelOf(call)
}

function channelOf(call) {
  const channel = {
    onmessage: null,
    ondrain: null,
    send: message => call.write(message),
    cipher: null
  }
  call.on('data', message => channel.onmessage(message))
  call.on('drain', () => channel.ondrain?.())
  call.on('error', () => {})
  return channel
}

/** Calls know no connection: there is one client only. */
function answering(server) {
  const channel = { onmessage: null, ondrain: null, send: null, cipher: null }
  server.addService(
    { unary: UNARY },
    {
      unary: ({ request }, answer) => {
        channel.send = message => answer(null, message)
        channel.onmessage(request)
      }
    }
  )
  return channel
}

function asking(client) {
  const channel = { onmessage: null, ondrain: null, send: null, cipher: null }
  const onAnswer = (error, answer) => {
    if (error) process.emit('uncaughtException', error)
    else channel.onmessage(answer)
  }
  channel.send = message => {
    client.makeUnaryRequest(UNARY.path, asIs, asIs, message, onAnswer)
    return true
  }
  return channel
}
