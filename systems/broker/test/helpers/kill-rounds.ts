import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RedisServer } from '@token-server/test-helpers'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { handlerToken, until } from './test-broker'

export interface KillResult {
  readonly acknowledged: number
  /** Acknowledged, and never received. */
  readonly lost: number
  /** Received more than once. */
  readonly doubled: number
}

const IN_FLIGHT = 40
/** A broker that starts on a busy machine takes its time, in milliseconds. */
const PATIENCE = 30_000
const PROGRAM = join(__dirname, '../programs/kept-broker.js')

/**
 * Kills a broker again and again while a client publishes to it and another one, whose session is kept, receives; half of the time the
 * second one is away, and Redis, when there is one, is killed with the broker. Both connect again and go on with what they have in flight.
 */
export async function runKillRounds(rounds: number, qos: 1 | 2, redis?: RedisServer): Promise<KillResult> {
  const folder = mkdtempSync(join(tmpdir(), 'broker-kill-'))
  const place = redis?.url ?? folder
  let { program, port } = await start(place, 0)
  const clients: MqttClient[] = []
  try {
    const connect = async (clientId: string, options: IClientOptions): Promise<MqttClient> => {
      const client = mqtt.connect({
        host: '127.0.0.1',
        port,
        protocol: 'mqtt',
        username: 'JWT',
        password: await handlerToken(clientId),
        clientId,
        clean: false,
        reconnectPeriod: 50,
        ...options
      })
      client.on('error', () => undefined)
      clients.push(client)
      await until(`${clientId} is connected`, () => client.connected, PATIENCE)
      return client
    }
    const received = new Map<number, number>()
    const subscriber = await connect('subscriber', {})
    subscriber.on('message', (_topic, payload) => {
      const id = Number(payload)
      received.set(id, (received.get(id) ?? 0) + 1)
    })
    await subscriber.subscribeAsync('t/#', { qos })
    const publisher = await connect('publisher', {})
    const acknowledged = new Set<number>()
    let next = 0
    let open = 0
    let isOver = false
    const publish = () => {
      if (isOver) return
      const id = next++
      open++
      publisher.publish(`t/${id % 7}`, String(id), { qos }, error => {
        open--
        if (!error) acknowledged.add(id)
        setImmediate(publish)
      })
    }
    for (let i = 0; i < IN_FLIGHT; i++) publish()
    for (let round = 0; round < rounds; round++) {
      const before = acknowledged.size
      if (round % 2 === 1) subscriber.stream.destroy()
      else await until('the subscriber is back', () => subscriber.connected, PATIENCE)
      await until('more is acknowledged', () => acknowledged.size > before + 200, PATIENCE)
      await new Promise(resolve => setTimeout(resolve, Math.random() * 100))
      const gone = once(program, 'exit')
      program.kill('SIGKILL')
      if (round % 2 === 1) await redis?.kill()
      await gone
      if (round % 2 === 1) await redis?.start()
      ;({ program } = await start(place, port))
    }
    isOver = true
    await until('all is acknowledged', () => open === 0, PATIENCE)
    await until(
      'all that was acknowledged comes',
      () => [...acknowledged].every(id => received.has(id)),
      PATIENCE
    ).catch(() => undefined)
    const lost = [...acknowledged].filter(id => !received.has(id)).length
    const doubled = [...received.values()].filter(count => count > 1).length
    return { acknowledged: acknowledged.size, lost, doubled }
  } finally {
    for (const client of clients) client.end(true)
    program.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

async function start(place: string, port: number): Promise<{ program: ChildProcess; port: number }> {
  const program = fork(PROGRAM, [place, String(port)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const listening = once(program, 'message') as Promise<[number]>
  const [number] = await Promise.race([
    listening,
    once(program, 'exit').then(([code]) => {
      throw new Error(`The broker ended with ${code}`)
    })
  ])
  return { program, port: number }
}
