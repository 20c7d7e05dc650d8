// Forked by tests: devices that dial at once over TLS and come back by themselves: argv is the port, the file of the authority, the first of
// their ids, and how many they are. Sends how many are connected, each time that it changes.
import { readFileSync } from 'node:fs'
import mqtt from 'mqtt'
import { deviceToken } from '../helpers/test-broker'

async function main(): Promise<void> {
  const [port = 0, first = 0, count = 0] = [process.argv[2], process.argv[4], process.argv[5]].map(Number)
  const ca = readFileSync(process.argv[3] as string)
  let connected = 0
  for (let index = 0; index < count; index++) {
    const client = mqtt.connect({
      protocol: 'mqtts',
      host: 'localhost',
      port,
      ca,
      username: 'JWT',
      password: await deviceToken(first + index),
      clientId: 'phone',
      clean: false,
      reconnectPeriod: 500,
      connectTimeout: 30_000
    })
    let isIn = false
    const tell = (now: boolean) => {
      if (now === isIn) return
      isIn = now
      connected += now ? 1 : -1
      process.send?.(connected)
    }
    client.on('connect', () => tell(true))
    client.on('close', () => tell(false))
    client.on('error', () => undefined)
  }
  process.once('disconnect', () => process.exit())
}

void main()
