// Forked by tests with a key: a device that listens for WebSockets on a free port, with the bounds that it has by default. Sends its port
// and its id; a message is answered with the memory that it uses.
import { Server } from '../../lib/server/server'

async function main(): Promise<void> {
  const device = new Server()
  const { port } = await device.host(({ payload }) => payload, process.argv[2], { port: 0 })
  process.on('message', () =>
    process.send?.({ rss: process.memoryUsage.rss(), clients: device.hub.stats.clients })
  )
  process.once('disconnect', () => process.exit())
  process.send?.({ port, id: device.hub.deviceId })
}

void main()
