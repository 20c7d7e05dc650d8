// Forked by tests: one of several brokers, on the Redis argv[2], on the port argv[3]. Sends its port when it listens.
import { createServer } from 'node:net'
import { createVerifier } from '@token-server/identity'
import { createBus } from '@token-server/service'
import { createBroker } from '../../lib/core/create-broker'
import { SECRET } from '../helpers/secret'

async function main(): Promise<void> {
  const [, , redisUrl = '', port = '0'] = process.argv
  const verifier = createVerifier({ issuers: { secret: SECRET } })
  const bus = createBus({ name: 'broker', url: redisUrl })
  await bus.ready
  const broker = await createBroker({ verifier, redisUrl, bus })
  const server = createServer({ noDelay: true }, socket => broker.handle(socket))
  server.listen(Number(port), '127.0.0.1', () => process.send?.((server.address() as { port: number }).port))
  process.once('disconnect', () => process.exit())
}

void main()
