const { loadCertificates } = require('@token-server/certs')
const { bySubject, TokenClient, TokenServer } = require('token-server')

/* ### Server ### */

const isMember = bySubject('client', 'ann') // the common names that certificates were made for
let isOpen = true

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'server'),

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

    ...loadCertificates('certs', 'client')
  })
}

const first = newClient()
first.on('connect', () => first.close())
first.on('close', () => {
  isOpen = false
  newClient().on('error', error => console.log(error.message))
})
