import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import { figures, isLong } from '../helpers/figures'
import { findsPlantedBugs } from '../simulation/plants'
import { runWorlds, STEPS_PER_WORLD } from './run'

const STEPS = Number(process.env.STEPS ?? (isLong ? 10_000_000 : 150_000))

/** Worlds after which a planted bug must have been found: half a minute. */
const MOST_WORLDS = 150

describe('worlds of clients and servers', () => {
  const only = process.env.SEED === undefined ? null : Number(process.env.SEED)
  const first = only ?? randomInt(2 ** 31)

  it(`keeps every promise at each of ${STEPS} steps (SEED=n repeats one world, STEPS=n runs more)`, async function () {
    this.timeout(Math.max(60_000, STEPS))
    const begin = process.cpuUsage()
    const total = await runWorlds(first, only === null ? Math.ceil(STEPS / STEPS_PER_WORLD) : 1)
    const { user, system } = process.cpuUsage(begin)
    figures(`seeds from ${first}: ${JSON.stringify(total)}`)
    figures(`${((total.steps / (user + system)) * 60).toFixed(1)} million steps in a minute of CPU time`)
    expect(total.resumed).to.be.greaterThan(0)
    expect(total.handed).to.be.greaterThan(0)
  })

  it('comes to the same end when a seed is played again', async () => {
    expect(await runWorlds(first, 1)).to.deep.equal(await runWorlds(first, 1))
  })

  findsPlantedBugs(first, MOST_WORLDS, seed => runWorlds(seed, 1))
})
