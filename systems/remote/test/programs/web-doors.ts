// Forked by tests: a relay, a device that is registered there, and one that listens itself. A message is answered with what is used.
import { toBase64url } from '../../lib/encoding/base64url'
import { Server } from '../../lib/server/server'
import { RelayServer } from '../helpers/running-relay'

async function start(): Promise<void> {
  const key = process.argv[2]
  const relay = await RelayServer.start({ config: { OPEN_DEVICES: true, LOG_LEVEL: 'fatal' } })
  const [far, near] = [new Server(), new Server()]
  await far.hostMiddleware(relay.url('wss'), () => 'far', key, { tls: relay.tls })
  const { port } = await near.host(() => 'near', key, { port: 0 })
  process.send?.({
    ca: toBase64url(relay.ca),
    relay: { port: relay.port, device: far.hub.deviceId },
    device: { port, device: near.hub.deviceId }
  })
  process.on('message', () => process.send?.({ rss: process.memoryUsage().rss }))
  process.once('disconnect', () => void relay.stop().finally(() => process.exit()))
}

void start()
