const { fork } = require('node:child_process')
const { once } = require('node:events')
const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

/* ### Server, a process of its own: `node graceful-restart.cjs server` ### */

function serve() {
  const server = new TokenServer({
    host: 'localhost',
    port: 8090,

    ...loadCertificates('certs', 'server')
  })

  server.on('connect', () => process.send('listening'))
  server.on('token', token => process.send(Number(token)))

  process.once('SIGTERM', async () => {
    server.close() // tells each client which of its tokens were processed
    await server.closed // 10 s at most (`closeTimeout`)
    process.disconnect() // without a parent process: process.exit(0)
  })
}

/* ### Client, which sends while the server is restarted ### */

async function main() {
  const numbers = []
  let server = await start(numbers)

  const client = new TokenClient({
    host: 'localhost',
    port: 8090,

    ...loadCertificates('certs', 'client'),

    reconnect: true
  })

  client.on('connect', () => console.log('connected'))
  client.once('disconnect', info => console.log('lost:', info.code))

  await once(client, 'connect')
  for (let number = 1; number <= 1000; number++) {
    client.send(Buffer.from(String(number)))
    if (number % 10 === 0) await new Promise(resolve => setTimeout(resolve, 2))
    if (number === 500) server = restart(server, numbers)
  }
  await client.deliver(Buffer.from('1001')) // behind all others
  client.close()
  await client.closed
  await stop(await server)

  const inOrder = numbers.every((number, index) => number === index + 1)
  console.log(`${numbers.length} of 1001 arrived, in order: ${inOrder}`)
}

/* ### What systemd, Docker or Kubernetes does ### */

async function start(numbers) {
  const server = fork(__filename, ['server'])
  server.on('message', message => {
    if (message !== 'listening') numbers.push(message)
  })
  await once(server, 'message')
  return server
}

async function stop(server) {
  server.kill('SIGTERM')
  await once(server, 'close')
}

async function restart(server, numbers) {
  await stop(server)
  return start(numbers)
}

if (process.argv[2] === 'server') serve()
else void main()
