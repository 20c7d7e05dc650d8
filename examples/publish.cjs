const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

const WHERE = { host: 'localhost', port: 8090 }

/* ### Server ### */

const server = new TokenServer({ ...WHERE, ...loadCertificates('certs', 'server') })

async function publish() {
  for await (const connection of server) {
    if (server.connections.size < 3) continue
    // One whose outbox is full refuses, and keeps it from nobody else.
    const { taken, refused } = server.broadcast(Buffer.from('the news'))
    console.log(`published to ${taken}, ${refused} refused`)
    const others = { filter: other => other !== connection }
    console.log(`published to ${server.broadcast(Buffer.from('more'), others).taken} others`)
    server.close()
  }
  console.log('the server has closed')
}

void publish()

/* ### Clients ### */

for (const name of ['first', 'second', 'third']) {
  const client = new TokenClient({ ...WHERE, ...loadCertificates('certs', 'client') })
  client.on('token', token => console.log(name, 'reads', token.toString()))
}
