import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import { figures, isLong } from '../helpers/figures'
import { PLANTS } from './plants'
import { runWorlds, STEPS_PER_WORLD } from './run'

/** Worlds that are the same in each run. */
const FIXED = 20

/** Worlds that are others in each run. */
const RANDOM = isLong ? Math.ceil(10_000_000 / STEPS_PER_WORLD) : 80

/** Worlds in which a planted fault must be found. */
const MOST_WORLDS = 100

describe('worlds of clients and servers', () => {
  const first = Number(process.env.SEED ?? randomInt(2 ** 31))

  it(`keep every promise at each step, with the seeds 1 to ${FIXED}`, async function () {
    this.timeout(FIXED * 4_000)
    await runWorlds(1, FIXED)
  })

  it(`keep every promise at each step, with ${RANDOM} seeds from a random one (SEED=n begins there)`, async function () {
    this.timeout(RANDOM * 4_000)
    const begin = process.cpuUsage()
    const total = await runWorlds(first, RANDOM)
    const { user, system } = process.cpuUsage(begin)
    figures(`seeds from ${first}: ${JSON.stringify(total)}`)
    figures(
      `${((total.steps / (user + system)) * 60).toFixed(1)} million steps in a minute of processor time`
    )
    expect(total.resumed).to.be.greaterThan(0)
    expect(total.handed).to.be.greaterThan(0)
    expect(total.answered).to.be.greaterThan(0)
  })

  it('come to the same end when a seed is played again', async () => {
    expect(await runWorlds(first, 1)).to.deep.equal(await runWorlds(first, 1))
  })

  describe('find a fault that is planted:', () => {
    for (const { fault, plant } of PLANTS) {
      it(fault, async function () {
        this.timeout(MOST_WORLDS * 4_000)
        const takeOut = plant()
        try {
          figures(await firstFailure(MOST_WORLDS))
        } finally {
          takeOut()
        }
      })
    }
  })
})

/** @returns what broke first, in the worlds from seed 1 on */
async function firstFailure(worlds: number): Promise<string> {
  for (let seed = 1; seed <= worlds; seed++) {
    try {
      await runWorlds(seed, 1)
    } catch (error) {
      return (error as Error).message
    }
  }
  return expect.fail(`${worlds} worlds have held`)
}
