// Messages of QoS 1 a second that a broker takes for one kept session, and the processor time of each, by its store:
// node dist/test/programs/store-rates.js [ROUNDS]. On a busy machine judge the processor time: the rate is that of the machine.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { RedisServer } from '@token-server/test-helpers'
import mqtt from 'mqtt'
import { handlerToken } from '../helpers/test-broker'

const PROGRAM = join(__dirname, 'kept-broker.js')
const IN_FLIGHT = 40
const WARM_UP = 1_000
const MEASURED = 3_000

interface Kind {
  readonly name: string
  readonly options?: readonly string[]
  readonly sync?: boolean
}

const kinds: readonly Kind[] = [
  { name: 'Level' },
  { name: 'Level, STORE_SYNC=always', sync: true },
  { name: 'Redis, no file', options: ['--appendonly', 'no'] },
  { name: 'Redis, appendfsync everysec', options: ['--appendonly', 'yes', '--appendfsync', 'everysec'] },
  { name: 'Redis, appendfsync always', options: ['--appendonly', 'yes', '--appendfsync', 'always'] }
]

interface Result {
  /** Messages a second, published, stored, received and acknowledged. */
  readonly rate: number
  /** Of the broker and of Redis for each, in microseconds. */
  readonly brokerTime: number
  readonly redisTime: number
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 3)
  const results = new Map<string, Result[]>(kinds.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      const result = await measure(kind)
      results.get(kind.name)?.push(result)
      console.error(`round ${round + 1} of ${rounds}, ${kind.name}: ${wordsOf(result)}`)
    }
  }
  for (const [name, all] of results) {
    const middle = (of: keyof Result) => median(all.map(result => result[of]))
    const result = { rate: middle('rate'), brokerTime: middle('brokerTime'), redisTime: middle('redisTime') }
    console.log(`${name}: ${wordsOf(result)}`)
  }
}

function wordsOf({ rate, brokerTime, redisTime }: Result): string {
  const [rated, ours, theirs] = [rate, brokerTime, redisTime].map(Math.round)
  return `${rated}/s, ${ours} µs of the broker${redisTime > 0 ? ` and ${theirs} µs of Redis` : ''} each`
}

/** Processor time of a process, in microseconds; Linux counts hundredths of a second. */
function timeOf(pid: number | undefined): number {
  if (pid === undefined) return 0
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

async function measure({ options, sync = false }: Kind): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'broker-rates-'))
  const redis = options && (await RedisServer.start(...options))
  const program = fork(PROGRAM, [redis?.url ?? folder, '0', ...(sync ? ['sync'] : [])])
  try {
    return await load(program, redis?.pid)
  } finally {
    const gone = once(program, 'exit')
    program.kill('SIGKILL')
    await gone
    await redis?.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function load(program: ChildProcess, redis: number | undefined): Promise<Result> {
  const [port] = (await once(program, 'message')) as [number]
  const connect = async (name: string) => {
    const url = `mqtt://127.0.0.1:${port}`
    const options = { username: 'JWT', password: await handlerToken(name), clientId: name, clean: false }
    return mqtt.connectAsync(url, options)
  }
  const [subscriber, publisher] = [await connect('subscriber'), await connect('publisher')]
  let received = 0
  subscriber.on('message', () => {
    received++
  })
  await subscriber.subscribeAsync('t', { qos: 1 })
  const payload = Buffer.alloc(128)
  let isOver = false
  const publish = () => {
    if (!isOver) publisher.publish('t', payload, { qos: 1 }, () => setImmediate(publish))
  }
  for (let i = 0; i < IN_FLIGHT; i++) publish()
  await wait(WARM_UP)
  const now = () => [received, performance.now(), timeOf(program.pid), timeOf(redis)] as const
  const before = now()
  await wait(MEASURED)
  const [count = 0, time = 0, ours = 0, theirs = 0] = now().map((value, at) => value - (before[at] as number))
  isOver = true
  for (const client of [subscriber, publisher]) client.end(true)
  return { rate: (count * 1_000) / time, brokerTime: ours / count, redisTime: theirs / count }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}

void main()
