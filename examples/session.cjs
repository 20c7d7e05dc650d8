const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

const TOKENS = 1000

/* ### Server ### */

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'server'),

  session: true
})

const received = []

server.on('token', (token, connection) => {
  received.push(Number(token))
  // As if the network failed, three times, in the middle of it.
  if (received.length % 300 === 150) connection.socket.destroy()
})

/* ### Client ### */

const client = new TokenClient({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'client'),

  session: true
})

client.on('connect', () => console.log('connected'))
client.on('disconnect', () => console.log('cut'))
client.on('resumed', () => console.log('resumed'))
client.on('session-lost', ({ reason, unknown }) => console.log('lost:', reason, unknown, 'tokens in doubt'))

async function main() {
  let fates = []
  for (let number = 1; number <= TOKENS; number++) {
    fates.push(client.deliver(Buffer.from(String(number)), { timeout: 20_000 }))
    if (fates.length < 100 && number < TOKENS) continue
    await Promise.all(fates)
    fates = []
  }
  const missing = TOKENS - new Set(received).size
  const twice = received.length - new Set(received).size
  const isInOrder = received.every((number, index) => number === index + 1)
  console.log(`${TOKENS} sent, ${missing} missing, ${twice} twice, in order: ${isInOrder}`)
  client.close()
  await client.closed
  server.close()
}

void main()
