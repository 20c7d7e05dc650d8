// Forked by tests with the URL of a relay: a device and a client of it, that asks again and again. A message is answered with the times
// of the round trips since the one before, in milliseconds.
import { setTimeout as wait } from 'node:timers/promises'
import { Asking, Device } from '../helpers/relay-traffic'

async function main(): Promise<void> {
  const url = process.argv[2] as string
  const client = await Asking.join(url, await Device.register(url))
  let times: number[] = []
  process.on('message', () => {
    process.send?.(times)
    times = []
  })
  process.once('disconnect', () => process.exit())
  process.send?.('ready')
  for (;;) {
    const begun = performance.now()
    await client.ask()
    times.push(performance.now() - begun)
    await wait(2)
  }
}

void main()
