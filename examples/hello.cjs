const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

/* ### Server ### */

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'server')
})

server.on('token', (token, connection) => {
  console.log('The client says:', token.toString())
  connection.send(Buffer.from('I am happy to see you!'))
})

server.on('close', () => console.log('The server is closed'))

/* ### Client ### */

const client = new TokenClient({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'client')
})

client.on('token', token => {
  console.log('The server responds', token.toString())
  client.close()
})

client.on('close', () => {
  console.log('The client is closed')
  server.close()
})

client.send(Buffer.from('Hello!'))
