import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import { figures, isLong } from '../helpers/figures'
import { World } from './world'

/** One world is this long, then the next seed begins: a failure is replayed in seconds. */
const STEPS_PER_WORLD = 20_000
const STEPS = Number(process.env.STEPS ?? (isLong ? 10_000_000 : 400_000))

describe('simulation of sessions', () => {
  it(`keeps every promise at each of ${STEPS} steps (SEED=n repeats one world)`, async function () {
    this.timeout(STEPS)
    const only = process.env.SEED === undefined ? null : Number(process.env.SEED)
    const first = only ?? randomInt(2 ** 31)
    const total = { steps: 0, handed: 0, resumed: 0, lost: 0, restarts: 0 }
    const begin = performance.now()
    for (let seed = first; total.steps < STEPS; seed++) {
      const { steps, handed, resumed, lost, restarts } = await run(seed)
      total.steps += steps
      total.handed += handed
      total.resumed += resumed
      total.lost += lost
      total.restarts += restarts
      if (only !== null) break
    }
    const minutes = (performance.now() - begin) / 60_000
    figures(`seeds from ${first}: ${JSON.stringify(total)}`)
    figures(`${(total.steps / minutes / 1e6).toFixed(1)} million steps a minute`)
    expect(total.resumed).to.be.greaterThan(0)
    expect(total.handed).to.be.greaterThan(0)
  })
})

async function run(seed: number): Promise<World['counts']> {
  const world = new World(seed)
  try {
    for (let step = 0; step < STEPS_PER_WORLD; step++) await world.step()
    await world.heal()
    return world.counts
  } catch (cause) {
    throw new Error(`SEED=${seed} broke: ${(cause as Error).message}`, { cause })
  } finally {
    world.stop()
  }
}
