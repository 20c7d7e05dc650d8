// Forked by tests: a broker whose store is in the folder or Redis argv[2], on the port argv[3]; with argv[4], each commit waits for the disk. Sends its port when it listens.
import { createServer } from 'node:net'
import { createVerifier } from '@token-server/identity'
import { createBroker } from '../../lib/core/create-broker'
import { SECRET } from '../helpers/secret'

async function main(): Promise<void> {
  const [, , place = '', port = '0', sync] = process.argv
  const location = place.startsWith('redis://') ? { redisUrl: place } : { folder: place }
  const verifier = createVerifier({ issuers: { secret: SECRET } })
  const broker = await createBroker({ verifier, ...location, sync: sync !== undefined })
  const server = createServer({ noDelay: true }, socket => broker.handle(socket))
  server.listen(Number(port), '127.0.0.1', () => process.send?.((server.address() as { port: number }).port))
  process.once('disconnect', () => process.exit())
}

void main()
