import { createVerifier } from '@token-server/identity'
import { createBroker, startBroker } from '../../lib'
import { listen } from './listen'
import { type PeerSetup, servePeer } from './peer-process'
import { OURS } from './versions'

/** Clients without a certificate get nine tenths of the places. */
const SPARE = 1.2

/** With TLS the whole server, as somebody runs it, but that its store is in memory; else the broker on a bare port. */
async function start({ secret, folder, connections, tls }: PeerSetup) {
  const maxConnections = Math.ceil(SPARE * (connections + 100))
  if (tls === undefined) {
    const verifier = createVerifier({ issuers: { secret } })
    const broker = await createBroker({ verifier, limits: { maxConnections } })
    return { version: OURS, port: await listen(undefined, socket => broker.handle(socket, { via: 'tcp' })) }
  }
  const { service } = await startBroker({
    config: {
      HOST: '127.0.0.1',
      PORT: 0,
      CERTS_DIR: `${folder}/certs`,
      STORE_DIR: 'memory',
      JWT_SECRET: secret,
      MAX_CONNECTIONS: maxConnections,
      LOG_LEVEL: 'warn'
    }
  })
  return { version: OURS, port: service.address.port }
}

servePeer(start)
