// node contacts.cjs: the handlers of this example, by the token door; with VIA=mqtt by MQTT.
// PORT (8883), HOST (localhost), CERTS_DIR (certs): of the broker. TOKEN: a handler's JWT; by the token door the certificate is enough.
const { join } = require('node:path')
const { loadCertificates } = require('@token-server/certs/load')
const { loadHandlers, overMqtt, serveHandlers, TopicClient } = require('@token-server/broker/client')

const { HOST: host = 'localhost', PORT = '8883', CERTS_DIR = 'certs', TOKEN: token, VIA } = process.env
const port = Number(PORT)

const log = {
  debug() {},
  info: (fields, message) => console.log(message, fields),
  warn: (fields, message) => console.warn(message, fields),
  error: (fields, message) => console.error(message, fields)
}

function byTokens() {
  // The session keeps commands while this program is away.
  const connect = { host, port, ...loadCertificates(CERTS_DIR, 'client') }
  const client = new TopicClient({ connect, session: 'contacts', ...(token && { token }) })
  client.on('warning', error => console.warn(error.message))
  client.on('error', error => {
    console.error(error.message)
    process.exitCode = 1
  })
  return { topics: client, close: () => client.close() }
}

function byMqtt() {
  const mqtt = require('mqtt')
  const { ca } = loadCertificates(CERTS_DIR, 'client')
  const client = mqtt.connect({
    host,
    port,
    protocol: 'mqtts',
    ca: ca(),
    username: 'JWT',
    password: token,
    clientId: 'contacts',
    clean: false
  })
  client.on('error', error => console.error(error.message))
  return { topics: overMqtt(client), close: () => client.endAsync() }
}

async function main() {
  const handlers = await loadHandlers(join(__dirname, 'handlers'))
  const { topics, close } = VIA === 'mqtt' ? byMqtt() : byTokens()
  const stop = new AbortController()
  process.once('SIGTERM', async () => {
    stop.abort()
    await close()
  })
  await serveHandlers(topics, handlers, { log, signal: stop.signal })
  console.log('handling', handlers.map(({ filter }) => filter).join(', '))
}

main().catch(error => {
  console.error(error.message)
  process.exitCode = 1
})
