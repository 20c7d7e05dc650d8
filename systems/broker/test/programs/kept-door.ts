// Forked by tests: a broker whose store is in the folder argv[2], with a token door on the port argv[3]. It is sent its certificates, and
// sends its port when it listens.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createVerifier } from '@token-server/identity'
import { TokenServer, type TokenServerOptions } from 'token-server'
import { createBroker, openTokenDoor } from '../../lib'
import { SECRET } from '../helpers/secret'

async function main(): Promise<void> {
  const [, , folder = '', port = '0'] = process.argv
  process.once('disconnect', () => process.exit())
  const [certificates] = (await once(process, 'message')) as [TokenServerOptions]
  const verifier = createVerifier({ issuers: { secret: SECRET } })
  const broker = await createBroker({ verifier, folder })
  const server = new TokenServer({ host: '127.0.0.1', port: Number(port), session: true, ...certificates })
  openTokenDoor({ broker, server, verifier })
  await server.ready
  process.send?.((server.address() as AddressInfo).port)
}

void main()
