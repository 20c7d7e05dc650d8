const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

/* ### Server ### */

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'server')
})

server.on('token', token => {
  console.log('The server has', token.toString())
  client.close()
  server.close()
})

/* ### Client ### */

const client = new TokenClient({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'client'),

  reconnect: true
})

client.on('connect', () => console.log('connected'))
client.on('disconnect', info => console.log('lost:', info.code))
client.on('reconnecting', ({ attempt }) => console.log('dial', attempt, 'follows'))
client.on('close', () => console.log('closed for good'))

/* ### The server stops and comes back ### */

client.once('connect', () => server.close())
client.once('disconnect', () => client.send(Buffer.from('what was sent meanwhile')))
server.once('close', () => server.connect(100))
