import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { findMosquitto } from './find-mosquitto'
import { servePeer } from './peer-process'

/** Milliseconds until it must listen. */
const START_TIME = 10_000

servePeer(async ({ folder, tls }) => {
  const found = findMosquitto()
  if (found === undefined) throw new Error('mosquitto is not installed')
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  writeFileSync(file, configuration(port, tls))
  const child = spawn(found.path, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  process.on('exit', () => child.kill('SIGKILL'))
  let said = ''
  child.stderr.on('data', chunk => {
    said = (said + chunk).slice(-500)
  })
  child.on('exit', () => process.exit(1))
  for (const end = Date.now() + START_TIME; !(await listens(port)); await wait(20)) {
    if (Date.now() > end) throw new Error(`it does not listen: ${said}`)
  }
  return { version: found.version, port, pid: child.pid as number }
})

function configuration(port: number, tls: { key: string; cert: string } | undefined): string {
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'set_tcp_nodelay true',
    'max_queued_messages 0',
    'log_type error',
    'log_dest stderr',
    `user ${userInfo().username}` // it would give up the rights to read the key
  ]
  if (tls !== undefined) lines.push(`certfile ${tls.cert}`, `keyfile ${tls.key}`, 'tls_version tlsv1.3')
  return `${lines.join('\n')}\n`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function listens(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    const answer = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
  })
}
