import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnOwned } from './side-process.js'

const START_TIMEOUT = 5000
const POLL_INTERVAL = 25

/** Starts nats-server with mutual TLS on a free port of loopback. @throws when it is not installed, or does not start */
export async function startBroker({ server }) {
  const version = spawnSync('nats-server', ['--version'], { encoding: 'utf8', timeout: START_TIMEOUT })
  if (version.status !== 0) throw new Error('nats-server is not installed')
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'token-server-bench-'))
  try {
    const broker = await start(configFile(folder, server, port))
    return {
      port,
      version: version.stdout.trim().replace(/^nats-server: v/, ''),
      cpu: () => cpuOf(broker.pid),
      stop: async () => {
        if (broker.exitCode !== null || broker.signalCode !== null) return
        broker.kill('SIGKILL')
        await once(broker, 'exit')
      }
    }
  } finally {
    // It reads its files once: so they are gone again whatever becomes of this process.
    rmSync(folder, { recursive: true, force: true })
  }
}

async function start(config) {
  const broker = spawnOwned(['nats-server', '--config', config], ['ignore', 'ignore', 'pipe'])
  broker.stderr.setEncoding('utf8')
  let log = ''
  broker.stderr.on('data', text => {
    log += text
  })
  const deadline = Date.now() + START_TIMEOUT
  while (!log.includes('Server is ready')) {
    if (broker.exitCode !== null || Date.now() > deadline) {
      broker.kill('SIGKILL')
      throw new Error(`nats-server did not start:\n${log}`)
    }
    await new Promise(resolve => setTimeout(resolve, POLL_INTERVAL))
  }
  return broker
}

/** Private, as is its folder. @returns its path */
function configFile(folder, { key, cert, ca }, port) {
  const write = (name, text) => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const files = { cert: write('server.crt', cert), key: write('server.key', key), ca: write('ca.crt', ca) }
  return write(
    'nats.conf',
    `listen: "127.0.0.1:${port}"
max_payload: 8MB
max_pending: 1GB
tls { cert_file: "${files.cert}", key_file: "${files.key}", ca_file: "${files.ca}", verify: true }
`
  )
}

/** Microseconds of processor time of all its threads; 0 where there is no /proc. */
function cpuOf(pid) {
  try {
    const folder = `/proc/${pid}/task`
    return readdirSync(folder)
      .map(thread => Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000)
      .reduce((sum, time) => sum + time, 0)
  } catch {
    return 0
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}
