import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { openCertificates } from '@token-server/service'
import { Histogram } from './histogram'
import { LoadWorker } from './load/load-worker'
import { now } from './load/payload'
import { PUBLISHERS } from './load/publishers'
import { processesFor, thisMachine, usageOf } from './machine'
import type { BenchOptions, PeerName } from './options'
import { Peer } from './peers/peer'
import { certificatesIn, DESCRIPTIONS, type PeerSetup } from './peers/peer-process'
import type { Progress } from './progress'
import { fixed, isGood, ofPeer, type PeerFacts, type Results, seconds, verdictOf, whole } from './report'
import { isInTime, isKeptUp, type RoundResult } from './round-result'

const SECRET_BYTES = 32

/** The code of a peer is compiled, and its buffers are made, in a round that does not count. Seconds. */
const WARM_UP = 1

/** Nothing more comes for so long: the round is over. Milliseconds. */
const SILENCE = 2_000

/** The most that a round may take after the last message was sent, milliseconds. */
const LONGEST_DRAIN = 15_000

/** How often is asked how much has come, milliseconds. */
const LOOK = 50

/** Milliseconds for connecting, and for each connection. */
const CONNECT_TIME = 60_000
const CONNECT_TIME_EACH = 20

/** Lets a broker settle before its memory is read, milliseconds. */
const SETTLE = 500

/** With `--climb` each rate is so many times the one before. */
const CLIMB = 1.25

/** What each peer does once. */
interface RoundPlan {
  readonly number: number
  /** Messages a second. */
  readonly rate: number
  /** Seconds. */
  readonly time: number
}

/** One run: starts the peers and the load, and measures round by round. */
export class Bench {
  readonly #options: BenchOptions
  readonly #progress: Progress
  readonly #machine = thisMachine()
  readonly #folder = mkdtempSync(join(tmpdir(), 'broker-bench-'))
  readonly #secret = randomBytes(SECRET_BYTES).toString('base64url')
  readonly #peers: Peer[] = []
  readonly #facts: PeerFacts[] = []
  readonly #rounds: RoundResult[] = []
  readonly #subscribers: LoadWorker[] = []
  readonly #publishers: LoadWorker
  /** Of all peers: messages bear it. */
  #roundsBegun = 0

  constructor(options: BenchOptions, progress: Progress) {
    this.#options = options
    this.#progress = progress
    const setup = { options, secret: this.#secret }
    const processes = processesFor(options, this.#machine.maxFiles)
    for (let index = 0; index < processes; index++) {
      this.#subscribers.push(new LoadWorker({ role: 'subscribers', ...setup }))
    }
    this.#publishers = new LoadWorker({ role: 'publishers', ...setup })
  }

  async run(): Promise<Results> {
    const { peers, rounds, rate, climb } = this.#options
    const at = new Date().toISOString()
    for (const name of peers) await this.#start(name)
    for (const peer of this.#peers) await this.#measure(peer, { number: 0, rate, time: WARM_UP })
    let left = [...this.#peers]
    for (let number = 1; number <= rounds && left.length > 0; number++) {
      const plan = {
        number,
        rate: climb ? Math.round(rate * CLIMB ** (number - 1)) : rate,
        time: this.#options.seconds
      }
      const results = await this.#oneOfEach(rotated(left, number - 1), plan)
      if (climb) {
        const isLeft = ({ name }: Peer) => ofPeer(results, name).some(isKeptUp)
        // Something else may have held up the machine: who is behind is behind twice.
        results.push(
          ...(await this.#oneOfEach(
            left.filter(peer => !isLeft(peer)),
            plan
          ))
        )
        left = left.filter(isLeft)
      }
      this.#rounds.push(...results)
    }
    return {
      at,
      machine: this.#machine,
      options: this.#options,
      peers: this.#facts,
      rounds: this.#rounds,
      verdicts: peers.map(name => verdictOf(name, ofPeer(this.#rounds, name), climb)),
      isGood: peers.includes('ours') ? isGood(ofPeer(this.#rounds, 'ours'), climb) : undefined
    }
  }

  async stop(): Promise<void> {
    for (const worker of [...this.#subscribers, this.#publishers]) worker.stop()
    await Promise.all(this.#peers.map(peer => peer.stop()))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #start(name: PeerName): Promise<void> {
    const { connections, subscriptions, tls } = this.#options
    const peer = await Peer.start(name, await this.#setupOf(connections, tls))
    this.#peers.push(peer)
    const { pid, version } = peer.ready
    const before = usageOf(pid)
    const begin = performance.now()
    await this.#connect(peer)
    const connectTime = (performance.now() - begin) / 1_000
    await wait(SETTLE)
    const after = usageOf(pid)
    const facts = {
      name,
      description: DESCRIPTIONS[name],
      version,
      memoryPerConnection: (after.memoryBytes - before.memoryBytes) / connections,
      cpuPerConnect: ((after.cpu - before.cpu) * 1_000) / connections,
      connectTime
    }
    this.#facts.push(facts)
    this.#progress.say(
      `${name} ${version}: ${whole(connections)} connections with ${whole(subscriptions)} subscriptions, ` +
        `connected in ${connectTime.toFixed(1)} s`
    )
  }

  async #setupOf(connections: number, tls: boolean): Promise<PeerSetup> {
    const certificates = join(this.#folder, 'certs')
    if (tls) await openCertificates({ folder: certificates, hosts: ['localhost'] })
    return {
      secret: this.#secret,
      folder: this.#folder,
      connections: connections + PUBLISHERS,
      tls: tls ? certificatesIn(certificates) : undefined
    }
  }

  async #connect({ name, ready: { port } }: Peer): Promise<void> {
    const { connections, tls } = this.#options
    const target = { port, ...(tls ? { ca: certificatesIn(join(this.#folder, 'certs')).ca } : {}) }
    const jwt = name === 'ours'
    const done = new Map<LoadWorker, number>()
    const open = (worker: LoadWorker, first: number, end: number) =>
      worker.ask('open', { peer: name, target, jwt, first, end }, count => {
        done.set(worker, count)
        const sum = [...done.values()].reduce((total, each) => total + each, 0)
        this.#progress.now(`${name}: ${whole(sum)} of ${whole(connections)} connections`)
      })
    const shares = this.#subscribers.map((worker, index) => {
      const [first, end] = [index, index + 1].map(part =>
        Math.floor((part * connections) / this.#subscribers.length)
      ) as [number, number]
      return open(worker, first, end)
    })
    const time = CONNECT_TIME + CONNECT_TIME_EACH * connections
    const timeout = new AbortController()
    const late = wait(time, undefined, { signal: timeout.signal }).then(() => {
      throw new Error(`not all were connected in ${seconds(time)}`)
    })
    late.catch(() => undefined)
    try {
      await Promise.race([Promise.all([...shares, open(this.#publishers, 0, 0)]), late])
    } catch (error) {
      throw new Error(`Cannot load ${name}: because ${(error as Error).message}`)
    } finally {
      timeout.abort()
    }
  }

  async #oneOfEach(peers: readonly Peer[], plan: RoundPlan): Promise<RoundResult[]> {
    const results: RoundResult[] = []
    for (const peer of peers) {
      const result = await this.#measure(peer, plan)
      results.push(result)
      this.#progress.say(lineOf(result))
    }
    return results
  }

  async #measure({ name, ready }: Peer, { number, rate, time }: RoundPlan): Promise<RoundResult> {
    const round = ++this.#roundsBegun
    this.#progress.now(`${name}: ${whole(rate)} messages/s for ${time} s`)
    try {
      await this.#ofSubscribers(worker => worker.ask('expect', { peer: name, round }))
      const before = usageOf(ready.pid)
      const begin = performance.now()
      const sent = await this.#publishers.ask('publish', { peer: name, round, rate, seconds: time })
      const after = usageOf(ready.pid)
      const elapsed = (performance.now() - begin) / 1_000
      const expected = sent.sent * this.#options.fanOut
      const acknowledged = await this.#drain(name, expected, sent.sent)
      const parts = await this.#ofSubscribers(worker => worker.ask('collect', { peer: name }))
      const latencies = new Histogram()
      for (const part of parts) latencies.addAll(new Histogram(part.latencies))
      const sum = (count: (part: (typeof parts)[number]) => number) =>
        parts.reduce((total, part) => total + count(part), 0)
      return {
        peer: name,
        round: number,
        rate,
        seconds: time,
        toSend: rate * time,
        sent: sent.sent,
        acknowledged,
        expected,
        received: sum(part => part.received),
        unordered: sum(part => part.unordered),
        wrong: sum(part => part.wrong),
        stale: sum(part => part.stale),
        behind: behindOf(Math.max(...parts.map(part => part.lastAt)), sent.lastAt),
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
        cpu: (after.cpu - before.cpu) / elapsed,
        memoryBytes: after.memoryBytes,
        late: sent.late,
        isHeldBack: sent.isHeldBack
      }
    } catch (error) {
      throw new Error(`Cannot measure ${name}: because ${(error as Error).message}`)
    }
  }

  /** Until all has come, or no more comes. @returns how much was acknowledged */
  async #drain(peer: PeerName, expected: number, sent: number): Promise<number | undefined> {
    const begin = performance.now()
    let [before, changed] = [-1, begin]
    for (;;) {
      const counts = await this.#ofSubscribers(worker => worker.ask('count', { peer }))
      const received = counts.reduce((sum, count) => sum + count, 0)
      const acknowledged = this.#options.qos === 0 ? sent : await this.#publishers.ask('count', { peer })
      const time = performance.now()
      const isDone = received >= expected && acknowledged >= sent
      if (received + acknowledged !== before) [before, changed] = [received + acknowledged, time]
      if (isDone || time - changed > SILENCE || time - begin > LONGEST_DRAIN) {
        return this.#options.qos === 0 ? undefined : acknowledged
      }
      await wait(LOOK)
    }
  }

  #ofSubscribers<T>(ask: (worker: LoadWorker) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#subscribers.map(ask))
  }
}

/** @param last when the last delivery came; 0: none did */
function behindOf(last: number, sentAt: number): number {
  return Math.max(0, (last === 0 ? now() : last) - sentAt)
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

function lineOf(result: RoundResult): string {
  const { peer, rate, received, expected, p50, p99, cpu } = result
  const missing = `${whole(expected - received)} ${isInTime(result) ? 'lost' : 'not there when the round ended'}`
  const words = received === expected ? 'all came' : missing
  const time = isInTime(result) ? 'in time' : `${seconds(result.behind)} behind`
  return (
    `${peer}: ${whole(rate)} messages/s, ${whole(received)} of ${whole(expected)} deliveries, ${words}, ${time}, ` +
    `p50 ${fixed(p50, 2)} ms, p99 ${fixed(p99, 2)} ms, CPU ${fixed(100 * cpu, 0)} %`
  )
}
