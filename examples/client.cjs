const { loadCertificates } = require('@token-server/certs/load')
const { TokenClient } = require('token-server')

const client = new TokenClient({
  host: 'localhost',
  port: 8090,
  ...loadCertificates('certs', 'client'),
  reconnect: true // redials with exponential backoff and full jitter
})

client.on('disconnect', ({ error, code }) => console.error('disconnected:', error?.message ?? code))
client.on('error', error => console.error('gave up:', error.message))

async function order(id, price) {
  try {
    const answer = await client.request(Buffer.from(JSON.stringify({ id, price })), { timeout: 5000 })
    console.log(`${answer}`)
  } catch (error) {
    console.log(`order ${id}: ${error.code}: ${error.message}`)
  }
}

async function main() {
  await order(7, 3.2)
  await order(8, -1)
  client.close()
}

void main()
