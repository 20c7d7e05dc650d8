import grpc from '@grpc/grpc-js'

const WINDOW = 1024 * 1024

const OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc-node.flow_control_window': WINDOW,
  'grpc.use_local_subchannel_pool': 1
}

const asIs = bytes => bytes

/** One stream of bytes in both directions, without protobuf. */
const METHOD = {
  path: '/bench/stream',
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs
}

export async function listen({ credentials }, onChannel) {
  const { key, cert, ca } = credentials.server
  const server = new grpc.Server(OPTIONS)
  server.addService({ stream: METHOD }, { stream: call => onChannel(channelOf(call)) })
  const pair = [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }]
  const secure = grpc.ServerCredentials.createSsl(Buffer.from(ca), pair, true)
  const port = await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', secure, (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  return { port }
}

export async function connect({ credentials }, port) {
  const { key, cert, ca } = credentials.client
  const secure = grpc.credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert))
  const client = new grpc.Client(`127.0.0.1:${port}`, secure, OPTIONS)
  await new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + 10_000, error => (error ? reject(error) : resolve()))
  })
  const call = client.makeBidiStreamRequest(METHOD.path, asIs, asIs)
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
