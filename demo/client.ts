import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type Connection, TokenClient } from 'token-server'
import { connectionSeen } from './connection-seen'
import { measurePings } from './measure-pings'
import { runAsChild, tell } from './parent'
import { transfer } from './transfer'

const PINGS = 1000

/** The client program: sends a file there and back, measures pings, tells what it found, and closes. */
void runAsChild(async () => {
  const [port, file] = process.argv.slice(2) as [string, string]
  const client = new TokenClient({
    host: 'localhost',
    port: Number(port),
    key: readFileSync('certs/client/client.key'),
    cert: readFileSync('certs/client/client.crt'),
    ca: readFileSync('certs/ca/ca.crt')
  })

  await Promise.race([sendAndReport(client, file), brokenBy(client)])
  client.close()
  await client.closed
})

async function sendAndReport(client: TokenClient, file: string): Promise<void> {
  await once(client, 'connect')
  const connection = client.connection as Connection
  tell({ kind: 'connected', seen: connectionSeen(connection) })

  const moved = await transfer(connection, file, bytes => tell({ kind: 'progress', bytes }))
  const pings = await measurePings(connection, PINGS)
  tell({ kind: 'result', result: { ...moved, ...pings } })
}

/** Rejects with what broke the connection or kept it from being made. */
function brokenBy(client: TokenClient): Promise<never> {
  return new Promise((_resolve, reject) => client.on('error', reject))
}
