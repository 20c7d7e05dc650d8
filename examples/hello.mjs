import fs from 'node:fs'
import { TokenClient, TokenServer } from 'token-server'

/* ### Server ### */

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  key: fs.readFileSync('certs/server/server.key'),
  cert: fs.readFileSync('certs/server/server.crt'),
  ca: fs.readFileSync('certs/ca/ca.crt')
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

  key: fs.readFileSync('certs/client/client.key'),
  cert: fs.readFileSync('certs/client/client.crt'),
  ca: fs.readFileSync('certs/ca/ca.crt')
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
