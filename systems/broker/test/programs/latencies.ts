// node dist/test/programs/latencies.js [slow|retained] [--seconds 5] [--rounds 3]
// What a message takes to a subscriber beside one that takes nothing (B17), and beside a search among 100,000 retained messages (B20).
// The broker is a process of its own, its store a folder. The rounds of a comparison alternate; judge their ratio.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import mqtt, { type MqttClient } from 'mqtt'
import { bytesOf, connectBytes, logIn } from '../helpers/packets'
import { handlerToken } from '../helpers/test-broker'

const RETAINED = 100_000
const TICK = 5
const FLOOD_RATE = 1_000
const FLOOD_PAYLOAD = Buffer.alloc(1_024, 'x')

interface Stage {
  readonly port: number
  readonly pid: number
  readonly clients: MqttClient[]
}

async function withBroker(play: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'broker-latencies-'))
  const program = fork(join(__dirname, 'kept-broker.js'), [folder, '0'])
  const clients: MqttClient[] = []
  try {
    const [port] = (await once(program, 'message')) as [number]
    await play({ port, pid: program.pid as number, clients })
  } finally {
    for (const client of clients) client.end(true)
    const gone = once(program, 'exit')
    program.kill()
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
}

async function handler({ port, clients }: Stage, name: string): Promise<MqttClient> {
  const login = { username: 'JWT', password: await handlerToken(name), reconnectPeriod: 0 }
  const client = await mqtt.connectAsync({ host: '127.0.0.1', port, protocol: 'mqtt', ...login })
  ;(client.stream as unknown as Socket).setNoDelay(true)
  clients.push(client)
  return client
}

/** A handler that subscribes to `flood`, and takes what comes or not. */
async function floodReader({ port }: Stage, reads: boolean): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  await logIn(socket, connectBytes(await handlerToken('flooded'), { clientId: 'flooded' }))
  socket.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'flood', qos: 0 }] }))
  await once(socket, 'data')
  if (reads) socket.resume()
  else socket.pause()
  return socket
}

/** Publishes a message each few milliseconds for so long as something lasts. @returns how long each took to its subscriber */
async function ticksDuring(
  publisher: MqttClient,
  other: MqttClient,
  time: Promise<unknown>
): Promise<number[]> {
  const took: number[] = []
  const hear = (topic: string, payload: Buffer) => {
    if (topic === 'tick') took.push(performance.now() - Number(payload))
  }
  other.on('message', hear)
  const timer = setInterval(() => publisher.publish('tick', String(performance.now())), TICK)
  await time
  clearInterval(timer)
  await wait(200)
  other.off('message', hear)
  return took.sort((a, b) => a - b)
}

/** Reads all topics for the one that matches. */
async function search(seeker: MqttClient, number: number): Promise<void> {
  const found = new Promise<void>(resolve => {
    const hear = (topic: string) => {
      if (topic !== `r/${number}/state`) return
      seeker.off('message', hear)
      resolve()
    }
    seeker.setMaxListeners(0).on('message', hear)
  })
  const filter = `+/${number}/state`
  await seeker.subscribeAsync(filter)
  await found
  await seeker.unsubscribeAsync(filter)
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

function say(what: string, sorted: readonly number[], more = ''): number {
  const [p50, p99, most] = [0.5, 0.99, 1].map(part => quantile(sorted, part).toFixed(2))
  console.log(`${what}: p50 ${p50} ms, p99 ${p99} ms, most ${most} ms of ${sorted.length}${more}`)
  return quantile(sorted, 0.99)
}

function median(list: readonly number[]): number {
  return quantile(
    [...list].sort((a, b) => a - b),
    0.5
  )
}

function mebibytes(pid: number): string {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return `, broker ${(Number(kib) / 1024).toFixed(0)} MiB`
}

async function besideSlow(rounds: number, milliseconds: number): Promise<void> {
  await withBroker(async stage => {
    const publisher = await handler(stage, 'publisher')
    const other = await handler(stage, 'other')
    await other.subscribeAsync('tick')
    const p99: Record<'reads' | 'takes nothing', number[]> = { reads: [], 'takes nothing': [] }
    for (let round = 0; round <= rounds; round++) {
      for (const kind of round % 2 === 0
        ? (['reads', 'takes nothing'] as const)
        : (['takes nothing', 'reads'] as const)) {
        const socket = await floodReader(stage, kind === 'reads')
        let isOver = false
        const flood = (async () => {
          const begin = performance.now()
          for (let sent = 0; !isOver; await wait(2)) {
            const due = ((performance.now() - begin) / 1_000) * FLOOD_RATE
            for (; sent < due; sent++) publisher.publish('flood', FLOOD_PAYLOAD)
          }
        })()
        const took = await ticksDuring(publisher, other, wait(milliseconds))
        isOver = true
        await flood
        const result = say(`B17, 1,000 messages/s to one that ${kind}`, took, mebibytes(stage.pid))
        if (round > 0) p99[kind].push(result) // the first is of code that is not compiled yet
        socket.destroy()
      }
    }
    const ratio = median(p99['takes nothing']) / median(p99.reads)
    console.log(`B17: p99 of others ${ratio.toFixed(2)} × (median of ${rounds} rounds each, bound 2)`)
  })
}

async function besideRetained(rounds: number, milliseconds: number): Promise<void> {
  await withBroker(async stage => {
    const publisher = await handler(stage, 'publisher')
    const other = await handler(stage, 'other')
    const seeker = await handler(stage, 'seeker')
    await other.subscribeAsync('tick')
    say('B20, nothing retained', await ticksDuring(publisher, other, wait(milliseconds)))
    const retain = { retain: true, qos: 1 } as const
    for (let at = 0; at < RETAINED; at += 1_000) {
      const topics = Array.from({ length: 1_000 }, (_, i) => `r/${at + i}/state`)
      await Promise.all(topics.map(topic => publisher.publishAsync(topic, 'on', retain)))
    }
    const p99: number[] = []
    for (let round = 0; round < rounds; round++) {
      say(
        'B20, 100,000 retained',
        await ticksDuring(publisher, other, wait(milliseconds)),
        mebibytes(stage.pid)
      )
      for (const atOnce of [1, 50]) {
        const end = performance.now() + milliseconds
        let searches = 0
        const lane = async () => {
          while (performance.now() < end) await search(seeker, searches++)
        }
        const took = await ticksDuring(publisher, other, Promise.all(Array.from({ length: atOnce }, lane)))
        p99.push(say(`B20, 100,000 retained, ${atOnce} searched at once`, took, `, ${searches} searches`))
      }
    }
    console.log(
      `B20: p99 ${median(p99).toFixed(2)} ms beside searches (median of ${2 * rounds} rounds, bound 20)`
    )
  })
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string', default: '5' }, rounds: { type: 'string', default: '3' } }
  })
  const [rounds, milliseconds] = [Number(values.rounds), 1_000 * Number(values.seconds)]
  const [only] = positionals
  console.log(`load of the machine ${(loadavg()[0] as number).toFixed(1)}`)
  if (only !== 'retained') await besideSlow(rounds, milliseconds)
  if (only !== 'slow') await besideRetained(rounds, milliseconds)
}

void main()
