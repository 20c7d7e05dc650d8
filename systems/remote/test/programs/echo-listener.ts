import { HostListener } from '../../lib/server/host-listener'
import { Visitors } from '../../lib/server/visitors'

/** Listens, says each frame back, and tells its memory when it is asked. */
async function main(): Promise<void> {
  const listener = await HostListener.open(
    { port: 0 },
    {
      onLink: link => {
        link.onFrame = frame => {
          // As the device core does it: a client that opened a session is trusted.
          if (frame[0] === 1) link.trust?.()
          link.send(frame)
        }
      },
      visitors: new Visitors(),
      fetch: () => new Response(null, { status: 404 })
    }
  )
  process.on('message', () => {
    global.gc?.()
    process.send?.({ rss: process.memoryUsage.rss() })
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ port: listener.address.port })
}

void main()
