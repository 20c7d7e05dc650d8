import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import { startProgram } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened } from '../helpers/loopback'
import { type Counts, noCounts } from './monkey/monkey'
import type { MonkeyQuestion, MonkeyReport } from './programs/monkey'

const MINUTES = Number(process.env.MINUTES ?? (isLong ? 10 : 0.1))
/** Milliseconds in which a round is played; its end takes about as long again. */
const ROUND = isLong ? 5_000 : 2_000
/** From so many rounds on the memory after them is compared. */
const ENOUGH_ROUNDS = 20
/** Bytes by which it may grow from the second quarter of the rounds to the last: code is compiled, and caches fill. */
const MOST_GROWTH = 3 * MIB

describe('T23 a monkey with two servers and eight clients', () => {
  closesWhatItOpened()

  it(`T23 calls and cuts whatever it can for ${MINUTES} minutes: no promise is broken, nothing is left open or in memory (SEED=n repeats a round)`, async function () {
    this.timeout(MINUTES * 60_000 + 180_000)
    const only = process.env.SEED === undefined ? null : Number(process.env.SEED)
    const first = only ?? randomInt(2 ** 31)
    const program = await startProgram('monkey')
    const total = noCounts()
    const memory: number[] = []
    const end = performance.now() + MINUTES * 60_000
    let seed = first
    do {
      const question: MonkeyQuestion = { seed, milliseconds: ROUND }
      const { failure, counts, used, kept, made } = await program.ask<MonkeyReport>(question)
      if (failure !== null) expect.fail(`SEED=${seed} broke ${failure}`)
      expect(kept, `objects of ${made} that SEED=${seed} has left in memory`).to.equal(0)
      memory.push(used)
      for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += counts[name]
      seed++
    } while (performance.now() < end && only === null)
    figures(`${memory.length} rounds, seeds from ${first}: ${JSON.stringify(total)}`)
    figures(`memory after each: ${memory.map(bytes => (bytes / MIB).toFixed(1)).join(' ')} MiB`)
    expect(total.handed).to.be.greaterThan(0)
    if (memory.length >= ENOUGH_ROUNDS) expect(growth(memory), 'bytes of growth').to.be.below(MOST_GROWTH)
  })

  /** From the second quarter to the last: between their middle values. */
  function growth(memory: readonly number[]): number {
    const quarter = Math.floor(memory.length / 4)
    const [before, after] = [memory.slice(quarter, 2 * quarter), memory.slice(-quarter)].map(part => {
      return part.sort((one, other) => one - other)[Math.floor(part.length / 2)] as number
    }) as [number, number]
    return after - before
  }
})
