import { appendFileSync } from 'node:fs'
import { Server } from '../../lib/server/server'

/** Writes down each request that it runs, before it answers: what it did outlives it. */
async function main(): Promise<void> {
  const [port, key, file] = process.argv.slice(2) as [string, string, string]
  const device = new Server()
  const handler = ({ payload }: { payload: unknown }) => {
    appendFileSync(file, `${payload}\n`)
    return payload
  }
  const address = await device.host(handler, key, { port: Number(port) })
  process.on('disconnect', () => process.exit())
  process.send?.({ port: address.port })
}

void main()
