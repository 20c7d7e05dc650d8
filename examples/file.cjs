const fs = require('node:fs')
const { tmpdir } = require('node:os')
const { basename, join } = require('node:path')
const { json } = require('node:stream/consumers')
const { pipeline } = require('node:stream/promises')
const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

const WHERE = { host: 'localhost', port: 8090 }
const file = process.argv[2] ?? __filename

/* ### Server: for each file two tokens, its name and then its bytes, of which few are in memory ### */

const server = new TokenServer({ ...WHERE, ...loadCertificates('certs', 'server'), maxStreamLength: 2 ** 40 })

async function receive(connection) {
  const tokens = connection.incomingTokens()
  for await (const head of tokens) {
    const path = join(tmpdir(), `received-${basename((await json(head)).name)}`)
    const { value: bytes } = await tokens.next()
    await pipeline(bytes, fs.createWriteStream(path))
    console.log(`${bytes.bytesRead} bytes are in ${path}`)
  }
}
// Whoever sends half a file is cut: with nobody to read on, the next one would wait for ever.
server.on('connection', connection => receive(connection).catch(() => connection.destroy()))

/* ### Client ### */

async function* counted(chunks, size, read = 0) {
  for await (const chunk of chunks) {
    yield chunk
    const quarters = Math.floor((4 * read) / size)
    read += chunk.length
    if ((4 * read) / size >= quarters + 1) console.log(`${Math.floor((100 * read) / size)} % sent`)
  }
}

async function main(size = fs.statSync(file).size) {
  const client = new TokenClient({ ...WHERE, ...loadCertificates('certs', 'client') })
  client.send(Buffer.from(JSON.stringify({ name: basename(file) })))
  await client.ready
  await client.connection.sendFrom(counted(fs.createReadStream(file), size), size)
  client.close()
  server.close()
}

void main()
