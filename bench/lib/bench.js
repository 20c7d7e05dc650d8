import { availableParallelism } from 'node:os'
import { startBroker } from './broker.js'
import { makeCertificates } from './certificates.js'
import { EVERYBODY } from './contenders/index.js'
import { measureMemory } from './memory.js'
import { Pair } from './pair.js'
import { shuffled } from './random.js'
import { canPin } from './side-process.js'
import { turn } from './turns.js'

/** Milliseconds in which a side must answer: who hangs is left out after that. */
const PATIENCE = 30_000

/** One that failed in so many stages is not tried again. */
const MAX_FAILURES = 2

/** Warm-ups one after the other, of one that a busy machine lets have little processor time. */
const MAX_WARM_UPS = 5

/** Runs stages: everything that has to be there for it, and that must be gone afterwards. */
export class Bench {
  /** Versions of programs from outside Node, by name. */
  versions = {}
  /** Who was left out: `{ name, title, where, reason, isOurs }`, each time. */
  failures = []
  #credentials = null
  #broker = null
  #pairs = new Set()
  #commands = {}
  #isStopped = false
  #contenders
  #random
  #progress
  #patience
  #startBroker
  #isPinned = availableParallelism() > 1 && canPin()

  constructor({ random, progress, contenders = EVERYBODY, patience = PATIENCE, broker = startBroker }) {
    this.#random = random
    this.#progress = progress
    this.#contenders = contenders
    this.#patience = patience
    this.#startBroker = broker
  }

  get isPinned() {
    return this.#isPinned
  }

  /** Makes what the contenders of these stages need. Who can't have it is left out. */
  async start(stages) {
    this.#credentials = await makeCertificates()
    for (const name of new Set(stages.flatMap(({ contenders }) => contenders))) {
      try {
        await this.#prepare(name)
      } catch (error) {
        this.#leaveOut(name, 'the start', error, { isForGood: true })
      }
    }
  }

  /**
   * Whoever fails is left out of the rest of the stage, and the others go on.
   *
   * @param pace `{ ms, rounds, warmUpMs, connections, budget }`: before the rounds of an item everybody works for `warmUpMs` of
   * processor time, which is not counted; no round begins later than `budget` ms after that
   * @returns what each item's rounds gave: `{ id, …, values: { contender: [figures of each round] }, skipped: { contender: reason } }`
   */
  async run(stage, pace) {
    const names = stage.contenders.filter(name => !this.#isOut(name))
    if (stage.kind === 'memory') return [await this.#measureMemory(stage, names, pace)]
    const pairs = await this.#open(stage, names)
    const results = []
    for (const item of stage.items) {
      const values = await this.#takeTurns({ stage, item, pairs, pace })
      const ciphers = Object.fromEntries([...pairs].map(([name, { cipher }]) => [name, cipher]))
      results.push({ ...item, values, skipped: this.#reasons(item, values), ciphers })
    }
    for (const pair of pairs.values()) await this.#stop(pair)
    return results
  }

  /** Leaves nothing behind; when it `isAbrupt` what runs is cut. */
  async stop({ isAbrupt = false } = {}) {
    this.#isStopped = true
    if (isAbrupt) for (const pair of this.#pairs) pair.kill()
    await Promise.all([...[...this.#pairs].map(pair => pair.stop()), this.#broker?.stop()])
  }

  async #prepare(name) {
    const { build, needsBroker } = this.#contenders[name]
    if (build !== undefined) {
      const { command, version } = await build()
      this.#commands[name] = command
      this.versions[name] = version
    }
    if (needsBroker && this.#broker === null) {
      this.#broker = await this.#startBroker(this.#credentials)
      this.versions['nats-server'] = this.#broker.version
    }
  }

  #newPair(name, stage) {
    const pair = new Pair(this.#contenders[name], {
      command: this.#commands[name],
      setting: { credentials: this.#credentials, brokerPort: this.#broker?.port, size: stage.size },
      isPinned: this.#isPinned,
      patience: this.#patience
    })
    this.#pairs.add(pair)
    return pair
  }

  async #stop(pair) {
    await pair.stop()
    this.#pairs.delete(pair)
  }

  /** Starts all contenders, one after the other: who hangs must not look like many. */
  async #open(stage, names) {
    const pairs = new Map()
    for (const name of names) {
      const pair = this.#newPair(name, stage)
      pairs.set(name, pair)
      this.#progress.step(`${stage.items[0].title}: ${name} starts`, 0)
      try {
        if (pair.contender.isIdle) continue
        await pair.listen()
        if (stage.kind !== 'handshakes') await pair.connect(stage.connections)
      } catch (error) {
        await this.#drop(pairs, name, stage.items[0].title, error, { isForGood: true })
      }
    }
    return pairs
  }

  async #takeTurns({ stage, item, pairs, pace }) {
    const names = item.contenders.filter(name => pairs.has(name))
    const values = Object.fromEntries(names.map(name => [name, []]))
    const factor = item.turnFactor ?? 1
    const warmUpMs = pace.warmUpMs * factor * (item.warmUpFactor ?? stage.warmUpFactor ?? 1)
    const takeTurn = (name, ms) =>
      turn[item.kind]({ pair: pairs.get(name), broker: this.#broker, item, size: stage.size, ms })
    const takeRound = async (done, take) => {
      for (const name of shuffled(Object.keys(values), this.#random)) {
        this.#progress.step(`${item.title}: ${name}`, done)
        try {
          await take(name)
        } catch (error) {
          // Its earlier rounds go too: what fails has no figures to quote.
          delete values[name]
          await this.#drop(pairs, name, item.title, error)
        }
      }
    }
    await takeRound(0, async name => {
      let left = warmUpMs
      for (let tries = 0; tries < MAX_WARM_UPS && left > 0; tries++) {
        const { busyMs = left } = await takeTurn(name, left)
        left -= busyMs
      }
    })
    const begun = Date.now()
    for (let round = 0; round < pace.rounds; round++) {
      // The first round is always made: an item without figures would be a silent hole.
      if (round > 0 && Date.now() - begun > pace.budget) break
      await takeRound(round / pace.rounds, async name => {
        values[name].push(await takeTurn(name, pace.ms * factor))
      })
    }
    return values
  }

  /** In processes of its own for each contender, one after the other. */
  async #measureMemory(stage, names, pace) {
    const [item] = stage.items
    const values = {}
    const pairs = new Map()
    for (const name of shuffled(names, this.#random)) {
      this.#progress.step(`${item.title}: ${name}`, 0)
      const pair = this.#newPair(name, { size: 64 })
      pairs.set(name, pair)
      try {
        values[name] = [await measureMemory(pair, pace.connections)]
        await this.#stop(pair)
      } catch (error) {
        await this.#drop(pairs, name, item.title, error)
      }
    }
    return { ...item, values, skipped: this.#reasons(item, values), connections: pace.connections }
  }

  async #drop(pairs, name, where, error, options) {
    const pair = pairs.get(name)
    pairs.delete(name)
    // A hanging process does not heed that it shall end.
    pair.kill()
    await this.#stop(pair)
    if (this.#isStopped) throw error
    this.#leaveOut(name, where, error, options)
  }

  #leaveOut(name, where, error, { isForGood = false } = {}) {
    const { title, isOurs = false } = this.#contenders[name]
    const reason = error.message.split('\n')[0]
    this.failures.push({ name, title, where, reason, isOurs, isForGood })
    this.#progress.line(`${title} is left out of "${where}": ${isOurs ? error.stack : reason}`)
  }

  #isOut(name) {
    const own = this.failures.filter(failure => failure.name === name)
    return own.length >= MAX_FAILURES || own.some(({ isForGood }) => isForGood)
  }

  /** Why those that an item has no figures of were left out. */
  #reasons(item, values) {
    const missing = item.contenders.filter(name => !(name in values))
    return Object.fromEntries(
      missing.map(name => [name, this.failures.findLast(failure => failure.name === name).reason])
    )
  }
}
