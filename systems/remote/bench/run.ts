import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createAuthority } from '@token-server/certs'
import { contenders } from './contenders'
import type { Order, Turn } from './side'

const ROOT = join(__dirname, '../../../..')

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    ms: { type: 'string', default: '500' },
    bytes: { type: 'string', default: '200' },
    contenders: { type: 'string', default: Object.keys(contenders).join() }
  }
})

const isPinned = spawnSync('taskset', ['--cpu-list', '0,1', 'true']).status === 0

/** One side of a contender, in a process of its own. */
class Side {
  readonly #child: ChildProcess
  readonly #calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  #last = 0

  constructor(core: number) {
    const command = [process.execPath, '--expose-gc', join(__dirname, 'side.js')]
    if (isPinned) command.unshift('taskset', '--cpu-list', String(core))
    this.#child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 2, 2, 'ipc'] })
    this.#child.on('message', ({ id, result, error }: { id: number; result: never; error?: string }) => {
      const call = this.#calls.get(id)
      this.#calls.delete(id)
      if (error === undefined) call?.resolve(result)
      else call?.reject(new Error(error))
    })
    this.#child.on('exit', code => {
      for (const { reject } of this.#calls.values()) reject(new Error(`its process ended, ${code}`))
    })
  }

  call<T>(order: Order): Promise<T> {
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.#child.send({ id, order })
    })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

interface Pair {
  readonly name: string
  readonly client: Side
  readonly one: Turn[]
  readonly many: Turn[]
}

async function main(): Promise<void> {
  const [rounds, ms, bytes] = [values.rounds, values.ms, values.bytes].map(Number) as [number, number, number]
  spawnSync(process.execPath, [join(ROOT, 'bench/install-peers.js')], { stdio: 'inherit' })
  const authority = await createAuthority({ name: 'authority of the benchmark' })
  const credentials = { ca: authority.cert, ...(await authority.issueServer()) }
  const sides: Side[] = []
  try {
    const pairs: Pair[] = []
    for (const name of values.contenders.split(',')) {
      const [server, client] = [new Side(0), new Side(1)]
      sides.push(server, client)
      const port = await server.call<number>({ do: 'listen', name, credentials })
      await client.call({ do: 'connect', name, credentials, port })
      // V8 compiles what has run often.
      await client.call({ do: 'warm', count: 50_000, outstanding: 64, bytes })
      await client.call({ do: 'warm', count: 5_000, outstanding: 1, bytes })
      pairs.push({ name, client, one: [], many: [] })
    }
    const load = loadavg()[0] as number
    for (let round = 0; round < rounds; round++) {
      for (const { client, one, many } of shuffled(pairs)) {
        one.push(await client.call<Turn>({ do: 'ask', ms, outstanding: 1, bytes }))
        many.push(await client.call<Turn>({ do: 'ask', ms, outstanding: 64, bytes }))
      }
    }
    report(pairs, { rounds, ms, bytes, load })
  } finally {
    for (const side of sides) side.kill()
  }
}

function report(pairs: readonly Pair[], { rounds, ms, bytes, load }: Record<string, number>): void {
  const machine = `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, load ${load?.toFixed(1)}`
  console.log(`\n${rounds} rounds of ${ms} ms each, ${bytes} bytes; ${machine}\n`)
  console.log(
    '| | one at a time: p50 ms | p99 ms | a second | 64 under way: a second | p50 ms | p99 ms | CPU µs |'
  )
  console.log('|---|---|---|---|---|---|---|---|')
  for (const { name, one, many } of pairs) {
    const of = (turns: readonly Turn[], part: keyof Turn, digits: number) =>
      median(turns.map(turn => turn[part])).toFixed(digits)
    const row = [of(one, 'p50', 3), of(one, 'p99', 3), of(one, 'perSecond', 0), of(many, 'perSecond', 0)]
    row.push(of(many, 'p50', 2), of(many, 'p99', 2), of(many, 'cpu', 1))
    console.log(`| ${contenders[name]?.words} | ${row.join(' | ')} |`)
  }
  const peer = pairs.find(({ name }) => name === 'socket.io')
  if (peer === undefined) return
  console.log('\nRound by round against Socket.IO, the median of the ratios:\n')
  for (const { name, one, many } of pairs.filter(pair => pair !== peer)) {
    const ratio = (ours: readonly Turn[], theirs: readonly Turn[], part: keyof Turn) =>
      median(ours.map((turn, round) => turn[part] / (theirs[round] as Turn)[part])).toFixed(2)
    console.log(
      `${contenders[name]?.words}: ${ratio(many, peer.many, 'perSecond')} × the rate with 64 under way, ` +
        `${ratio(one, peer.one, 'perSecond')} × one at a time, p50 ${ratio(one, peer.one, 'p50')} ×`
    )
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map(value => ({ value, order: Math.random() }))
    .sort((left, right) => left.order - right.order)
    .map(({ value }) => value)
}

main().catch((error: Error) => {
  console.error(error.message)
  process.exitCode = 1
})
