import { availableParallelism } from 'node:os'
import { startBroker } from './broker.js'
import { makeCertificates } from './certificates.js'
import { contender } from './contenders/index.js'
import { measureMemory } from './memory.js'
import { shuffled } from './random.js'
import { canPin, SideProcess } from './side-process.js'
import { turn } from './turns.js'

/** Runs stages: everything that has to be there for it, and that must be gone afterwards. */
export class Bench {
  #credentials = null
  #broker = null
  #sides = null
  /** More processes, of items that need their own. */
  #others = new Set()
  #random
  #progress
  #isPinned = availableParallelism() > 1 && canPin()

  constructor({ random, progress }) {
    this.#random = random
    this.#progress = progress
  }

  get isPinned() {
    return this.#isPinned
  }

  get brokerVersion() {
    return this.#broker?.version ?? null
  }

  async start({ needsBroker }) {
    this.#credentials = await makeCertificates()
    if (needsBroker) this.#broker = await startBroker(this.#credentials)
    this.#sides = this.#newSides()
  }

  /**
   * @param pace `{ ms, rounds, warmUpMs, warmUps, connections, budget }`: no round of an item begins later than `budget` ms after
   * its first turn
   * @returns what each item's rounds gave: `{ id, …, values: { contender: [figures of each round] }, skipped }`
   */
  async run(stage, pace) {
    if (stage.kind === 'memory') return [await this.#measureMemory(stage, pace)]
    const setting = this.#setting(stage.size)
    const { ports, skipped, ciphers } = await this.#open(stage, setting)
    const results = []
    for (const item of stage.items) {
      const names = item.contenders.filter(name => ports.has(name) || name === 'idle')
      const values = await this.#takeTurns({ stage, item, names, setting, ports, pace })
      results.push({ ...item, contenders: names, values, skipped: onlyOf(item, skipped), ciphers })
    }
    for (const name of ports.keys()) {
      await this.#sides.client.call('close', { name })
      await this.#sides.server.call('close', { name })
    }
    return results
  }

  /** Leaves nothing behind; when it `isAbrupt` what runs is cut. */
  async stop({ isAbrupt = false } = {}) {
    const sides = [...Object.values(this.#sides ?? {}), ...this.#others]
    if (isAbrupt) for (const side of sides) side.kill()
    await Promise.all([...sides.map(side => side.stop()), this.#broker?.stop()])
  }

  #newSides() {
    return {
      server: new SideProcess(this.#isPinned ? 0 : null),
      client: new SideProcess(this.#isPinned ? 1 : null)
    }
  }

  #setting(size) {
    return { credentials: this.#credentials, brokerPort: this.#broker?.port, size }
  }

  /** Connects all contenders. One that can't run is left out, aloud; the reason is kept. */
  async #open(stage, setting) {
    const { server, client } = this.#sides
    const ports = new Map()
    const skipped = {}
    const ciphers = {}
    for (const name of stage.contenders) {
      if (name === 'idle') continue
      try {
        if (stage.kind === 'handshakes') {
          const { port } = await server.call('acceptHandshakes', { name, kind: name, setting })
          ports.set(name, port)
          continue
        }
        const { port } = await server.call('listen', { name, setting })
        const count = stage.connections
        const { cipher } = await client.call('connect', { name, setting, port, count })
        await server.call('arrived', { name, count })
        ports.set(name, port)
        ciphers[name] = cipher
      } catch (error) {
        skipped[name] = error.message
        this.#progress.line(`${contender(name)?.title ?? name} can't run: ${error.message}`)
        await client.call('close', { name })
        await server.call('close', { name })
      }
    }
    return { ports, skipped, ciphers }
  }

  async #takeTurns({ stage, item, names, setting, ports, pace }) {
    const values = Object.fromEntries(names.map(name => [name, []]))
    const begun = Date.now()
    for (let round = -pace.warmUps; round < pace.rounds; round++) {
      // The first real round is always made: an item without figures would be a silent hole.
      if (round > 0 && Date.now() - begun > pace.budget) break
      const ms = (round < 0 ? pace.warmUpMs * (stage.warmUpFactor ?? 1) : pace.ms) * (item.turnFactor ?? 1)
      for (const name of shuffled(names, this.#random)) {
        this.#progress.step(`${item.title}: ${name}`, round / pace.rounds)
        try {
          const figures = await turn[item.kind]({
            ...{ sides: this.#sides, broker: this.#broker, item, size: stage.size, setting, ports, name, ms }
          })
          if (round >= 0) values[name].push(figures)
          if (contender(name)?.isWasteful) await this.#collectGarbage()
        } catch (error) {
          throw new Error(`${name} failed in ${item.id}: ${error.message}`, { cause: error })
        }
      }
    }
    return values
  }

  /** So that whoever comes next does not pay for it. */
  async #collectGarbage() {
    await Promise.all(Object.values(this.#sides).map(side => side.call('collect')))
  }

  async #measureMemory(stage, pace) {
    const [item] = stage.items
    const values = {}
    const skipped = {}
    for (const name of shuffled(item.contenders, this.#random)) {
      this.#progress.step(`${item.title}: ${name}`, 0)
      const sides = this.#newSides()
      for (const side of Object.values(sides)) this.#others.add(side)
      try {
        values[name] = [
          await measureMemory({ sides, name, setting: this.#setting(64), count: pace.connections })
        ]
      } catch (error) {
        throw new Error(`${name} failed in ${item.id}: ${error.message}`, { cause: error })
      } finally {
        for (const side of Object.values(sides)) {
          await side.stop()
          this.#others.delete(side)
        }
      }
    }
    return { ...item, contenders: Object.keys(values), values, skipped, connections: pace.connections }
  }
}

function onlyOf(item, skipped) {
  return Object.fromEntries(Object.entries(skipped).filter(([name]) => item.contenders.includes(name)))
}
