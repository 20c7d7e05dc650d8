const { appendFile } = require('node:fs/promises')
const { loadCertificates } = require('@token-server/certs/load')
const { TokenServer } = require('token-server')

const server = new TokenServer({ port: 8090, ...loadCertificates('certs', 'server') })

// deliver() and request() on the client wait until this promise settles.
server.handle(async (token, connection) => {
  const order = JSON.parse(token.toString())
  if (!(order.price > 0)) throw Object.assign(new Error('a price must be above 0'), { expose: true })
  await store(order, connection.peer.commonName)
  return Buffer.from(`order ${order.id} is stored`)
})

server.on('refused', ({ error, address }) => console.error(`refused ${address}: ${error.message}`))
server.on('connectionError', (error, connection) => console.error(`${connection.id}: ${error.message}`))
server.on('handlerError', (error, connection) => console.error(`${connection.id}: handler: ${error.message}`))

async function store(order, customer) {
  await appendFile('orders.txt', `${customer} ${order.id} ${order.price}\n`)
}

process.once('SIGTERM', async () => {
  server.close() // waits for running handlers, then tells each client what was processed
  await server.closed
})

server.ready.then(
  () => console.log('The server listens on port', server.address().port),
  error => {
    console.error(error.message)
    process.exitCode = 1
  }
)
