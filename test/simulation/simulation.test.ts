import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import { figures, isLong } from '../helpers/figures'
import { findsPlantedBugs } from './plants'
import { World } from './world'

/** One world is this long, then the next seed begins: a failure is replayed in seconds. */
const STEPS_PER_WORLD = 20_000
const STEPS = Number(process.env.STEPS ?? (isLong ? 10_000_000 : 200_000))

/** Worlds after which a planted bug must have been found: half a minute. */
const MOST_WORLDS = 40

describe('simulation of sessions', () => {
  const only = process.env.SEED === undefined ? null : Number(process.env.SEED)
  const first = only ?? randomInt(2 ** 31)

  it(`keeps every promise at each of ${STEPS} steps (SEED=n repeats one world, STEPS=n runs more)`, async function () {
    this.timeout(STEPS)
    const total = { steps: 0, handed: 0, resumed: 0, lost: 0, restarts: 0 }
    const begin = process.cpuUsage()
    for (let seed = first; total.steps < STEPS; seed++) {
      const counts = await run(seed)
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counts[name]
      if (only !== null) break
    }
    const { user, system } = process.cpuUsage(begin)
    figures(`seeds from ${first}: ${JSON.stringify(total)}`)
    figures(`${((total.steps / (user + system)) * 60).toFixed(1)} million steps in a minute of CPU time`)
    expect(total.resumed).to.be.greaterThan(0)
    expect(total.handed).to.be.greaterThan(0)
  })

  it('comes to the same end when a seed is played again', async () => {
    expect(await run(first)).to.deep.equal(await run(first))
  })

  findsPlantedBugs(first, MOST_WORLDS, run)
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
