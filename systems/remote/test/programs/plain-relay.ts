// Forked by tests: a relay over WebSockets without TLS, on a free port. Sends its port; a message 'usage' is answered with what it uses.
import { type AddressInfo, createServer } from 'node:net'
import { createVerifier } from '@token-server/identity'
import { HttpDoor } from '@token-server/service'
import { Relay } from '../../lib/relay/relay'
import { LINK_LIMITS } from '../../lib/transport/link-limits'
import { NodeWebSocketLink } from '../../lib/transport/node-web-socket'
import { SECRET } from '../helpers/secret'

const verifier = createVerifier({ issuers: { secret: SECRET } })
const relay = new Relay({ verifier, limits: { joinGrace: 200 } })
const { maxFrameBytes, heartbeat } = LINK_LIMITS
const door = new HttpDoor({
  webSockets: {
    '/remote': {
      onConnection: (socket, { socket: accepted }) =>
        relay.accept(new NodeWebSocketLink(socket, LINK_LIMITS, accepted), {
          address: accepted.remoteAddress
        }),
      maxPayloadBytes: maxFrameBytes,
      maxConnections: 20_000,
      heartbeatInterval: heartbeat
    }
  }
})

const server = createServer({ noDelay: true }, door.handler)
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', () => {
  process.send?.({ rss: process.memoryUsage().rss, now: relay.now, counters: relay.counters })
})
process.once('disconnect', () => process.exit())
