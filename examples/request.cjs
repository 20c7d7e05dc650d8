const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

const WHERE = { host: 'localhost', port: 8090 }

/* ### Server ### */

const server = new TokenServer({ ...WHERE, ...loadCertificates('certs', 'server') })

server.handle(async (token, connection) => {
  const [left, right] = JSON.parse(token)
  // With `expose` the client reads the message; of other errors it learns only that the handler failed.
  if (left < 0) throw Object.assign(new Error('there are no negative fruits'), { expose: true })
  const fruit = await connection.request(Buffer.from('which fruit?'), { timeout: 1000 })
  return Buffer.from(`${left + right} ${fruit}`)
})

server.on('handlerError', error => console.log('A handler of the server failed:', error.message))

/* ### Client ### */

const client = new TokenClient({ ...WHERE, ...loadCertificates('certs', 'client'), reconnect: true })

client.handle(() => Buffer.from('apples'))

async function add(left, right) {
  const answer = await client.request(Buffer.from(JSON.stringify([left, right])), { timeout: 1000 })
  return answer.toString()
}

async function main() {
  console.log(await add(1, 2))
  console.log(await Promise.all([add(3, 4), add(5, 6)]))
  await add(-1, 2).catch(error => console.log(error.code, error.message))
  client.close()
  server.close()
}

void main()
