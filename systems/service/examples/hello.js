// node hello.js: tokens, HTTP and health on one port. PORT, TLS_CERT and the like may stand in .env.
const { Hono } = require('hono')
const { createService } = require('@token-server/service')

const app = new Hono()
app.get('/hello', context => context.text('hello by HTTP\n'))

async function main() {
  const service = await createService({ name: 'hello', defaultPort: 7700, http: { fetch: app.fetch } })
  service.server.on('token', (token, connection) => connection.send(Buffer.from(`hello by token, ${token}`)))
  service.shutdown.add('say goodbye', () => service.log.info('goodbye'))
}

main().catch(error => {
  console.error(error.message)
  process.exitCode = 1
})
