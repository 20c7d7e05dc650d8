import fs from 'node:fs'
import { TokenClient, TokenServer } from 'token-server'

/* ### Server ### */

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  key: fs.readFileSync('certs/server/server.key'),
  cert: fs.readFileSync('certs/server/server.crt'),
  ca: fs.readFileSync('certs/ca/ca.crt'),
  requestCert: true // ask for a client cert
})

// Listen for tokens from the client.
server.on('token', (token, connection) => {
  console.log('The client says:', token.toString())

  const answer = Buffer.from('I am happy to see you!')
  connection.send(answer)
})

/* ### Client ### */

const client = new TokenClient({
  host: 'localhost',
  port: 8090,

  key: fs.readFileSync('certs/client/client.key'),
  cert: fs.readFileSync('certs/client/client.crt'),
  ca: fs.readFileSync('certs/ca/ca.crt')
})

client.on('token', (token, connection) => {
  console.log('The server responds', token.toString())
})

const token = Buffer.from('Hello!')
client.send(token)
