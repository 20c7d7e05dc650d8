import { once } from 'node:events'
import tls from 'node:tls'
import { cpu, now } from './clock.js'
import { loadLibrary } from './library.js'

/** What a way that resumes keeps from turn to turn: a ticket, or a client. */
let kept = null

/** Ways to connect again and again, each as a program would that gives it no thought, or some. */
export const handshake = {
  'tls-full': { server: listenTls, client: ({ ms, ...to }) => repeat(ms, 0, () => dialTls(to)) },
  'tls-resumed': { server: listenTls, client: resumeTls },
  'ours-full': {
    server: listenOurs,
    client: ({ ms, ...to }) => repeat(ms, 0, () => connectOnce(newClient(to)))
  },
  'ours-resumed': { server: listenOurs, client: resumeOurs }
}

async function resumeTls({ ms, setting, port }) {
  const isFirst = kept === null
  if (isFirst) {
    const secureContext = tls.createSecureContext({ ...setting.credentials.client, minVersion: 'TLSv1.3' })
    kept = { secureContext, session: undefined }
  }
  const options = kept
  const onSession = ticket => {
    options.session ??= ticket
  }
  const dial = () => dialTls({ setting, port, options, onSession })
  if (isFirst) await dial()
  return await repeat(ms, isFirst ? 1 : 0, async () => {
    if (!(await dial())) throw new Error('The session was not resumed')
  })
}

async function resumeOurs({ ms, ...to }) {
  const isFirst = kept === null
  kept ??= newClient(to)
  const client = kept
  if (isFirst) await connectOnce(client)
  return await repeat(ms, isFirst ? 1 : 0, async () => {
    client.connect()
    if (!(await connectOnce(client))) throw new Error('The session was not resumed')
  })
}

async function connectOnce(client) {
  await once(client, 'connect')
  const isResumed = client.connection.socket.isSessionReused()
  client.close()
  await client.closed
  return isResumed
}

/** @param before handshakes that were made already, which only the server counts */
async function repeat(ms, before, connect) {
  const cpuAtStart = cpu()
  const startedAt = now()
  let count = 0
  do {
    await connect()
    count++
  } while (now() < startedAt + ms)
  return { count, before, startedAt, endedAt: now(), cpu: cpu() - cpuAtStart }
}

async function dialTls({ setting, port, options = setting.credentials.client, onSession = () => {} }) {
  const { ca } = setting.credentials.client
  const socket = tls.connect({ ca, ...options, host: '127.0.0.1', port, minVersion: 'TLSv1.3' })
  socket.on('session', onSession)
  // A byte of the server is its word that it has accepted: `secureConnect` alone is not.
  await once(socket, 'data')
  const isResumed = socket.isSessionReused()
  socket.end()
  await once(socket, 'close')
  return isResumed
}

async function listenTls(setting) {
  let count = 0
  const server = tls.createServer(
    { ...setting.credentials.server, requestCert: true, minVersion: 'TLSv1.3' },
    socket => {
      count++
      socket.on('error', () => {})
      socket.resume()
      socket.write('!')
    }
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: server.address().port, count: () => count }
}

async function listenOurs(setting) {
  const { TokenServer } = loadLibrary(setting.variant.library)
  let count = 0
  const server = new TokenServer({ ...setting.credentials.server, host: '127.0.0.1', port: 0 })
  server.on('connection', () => count++)
  await once(server, 'connect')
  return { port: server.address().port, count: () => count }
}

function newClient({ setting, port }) {
  const { TokenClient } = loadLibrary(setting.variant.library)
  return new TokenClient({ ...setting.credentials.client, host: '127.0.0.1', port })
}
