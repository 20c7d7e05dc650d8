const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

/* ### Server ### */

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'server')
})

server.on('token', (token, connection) => {
  console.log('The server has', token.toString())
  // As if it crashed: the token is here, and its answer never leaves.
  if (token.toString() === 'second') connection.destroy()
})

/* ### Client ### */

const client = new TokenClient({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'client')
})

client.on('error', () => {}) // deliver() tells what became of each token

async function fateOf(token) {
  try {
    await client.deliver(token, { timeout: 5000 })
    return 'processed'
  } catch (error) {
    if (error.code === 'ERR_NOT_SENT') return 'not processed, and never will be: send it again'
    if (error.code === 'ERR_FATE_UNKNOWN') return 'unknown: ask before you repeat it'
    throw error
  }
}

async function main() {
  console.log('first:', await fateOf(Buffer.from('first')))
  console.log('second:', await fateOf(Buffer.from('second')))
  await client.closed
  console.log('third:', await fateOf(Buffer.from('third')))
  server.close()
}

void main()
