const fs = require('node:fs')
const { TokenClient, TokenServer } = require('token-server')

const ca = fs.readFileSync('certs/ca/ca.crt')

/* ### Server ### */

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  key: fs.readFileSync('certs/server/server.key'),
  cert: fs.readFileSync('certs/server/server.crt'),
  ca
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

  key: fs.readFileSync('certs/client/client.key'),
  cert: fs.readFileSync('certs/client/client.crt'),
  ca,

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
