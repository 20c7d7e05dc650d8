const { createHash } = require('node:crypto')
const fs = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { pipeline } = require('node:stream/promises')
const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

// Any file; without one this takes the program of Node itself, which has many megabytes.
const file = process.argv[2] ?? process.execPath
const copy = join(tmpdir(), `token-server-copy-${process.pid}`)

async function* hashed(chunks, whose) {
  const hash = createHash('sha256')
  for await (const chunk of chunks) {
    hash.update(chunk)
    yield chunk
  }
  console.log(whose, hash.digest('hex'))
}

/* ### Server ### */

const server = new TokenServer({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'server'),

  maxStreamLength: 2 ** 40 // bytes of a token that is taken as it comes
})

async function store(connection) {
  for await (const token of connection.incomingTokens()) {
    await pipeline(hashed(token, 'received'), fs.createWriteStream(copy))
  }
}

server.on('connection', connection => store(connection).catch(error => console.error(error.message)))

/* ### Client ### */

const client = new TokenClient({
  host: 'localhost',
  port: 8090,

  ...loadCertificates('certs', 'client')
})

client.on('error', error => console.error(error.message))

client.on('connect', async () => {
  try {
    const bytes = hashed(fs.createReadStream(file), 'sent    ')
    await client.connection.sendFrom(bytes, fs.statSync(file).size, { timeout: 60_000 })
    console.log('the server has stored it')
  } catch (error) {
    console.error(error.message)
  } finally {
    client.close()
    await client.closed
    server.close()
    fs.rmSync(copy, { force: true })
  }
})
