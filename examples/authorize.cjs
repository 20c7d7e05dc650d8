const fs = require('node:fs')
const { bySubject, TokenClient, TokenServer } = require('token-server')

const ca = fs.readFileSync('certs/ca/ca.crt')

/* ### Server ### */

const isMember = bySubject('client', 'ann') // the common names that certificates were made for
let isOpen = true

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  key: fs.readFileSync('certs/server/server.key'),
  cert: fs.readFileSync('certs/server/server.crt'),
  ca,

  authorize: peer => (isOpen ? isMember(peer) : { reason: 'closed on Sundays' })
})

server.on('connection', connection => console.log('The server lets in', connection.peer.subject))
server.on('refused', ({ code }) => {
  console.log('The server refused someone:', code)
  server.close()
})

/* ### Client ### */

function newClient() {
  return new TokenClient({
    host: 'localhost',
    port: 8090,

    key: fs.readFileSync('certs/client/client.key'),
    cert: fs.readFileSync('certs/client/client.crt'),
    ca
  })
}

const first = newClient()
first.on('connect', () => first.close())
first.on('close', () => {
  isOpen = false
  newClient().on('error', error => console.log(error.message))
})
