import { isLong } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Simulation } from './simulation'

const RUNS = isLong ? 500 : 6
const STEPS = 600

describe('Whatever happens by chance', () => {
  const first = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const counts = new Map<string, number>()

  after(() => {
    if (process.env.SHOW) console.log([...counts].sort())
  })

  it(`each request is settled once, as it was, and nothing runs twice (SEED=${first})`, async function () {
    this.timeout(isLong ? 1_800_000 : 60_000)
    for (let seed = first; seed < first + (process.env.SEED ? 1 : RUNS); seed++) {
      const simulation = new Simulation(seed)
      await simulation.run(STEPS)
      for (const [what, count] of simulation.counts) counts.set(what, (counts.get(what) ?? 0) + count)
      const faults = simulation.faults()
      await simulation.close()
      expect(faults, `SEED=${seed}`).to.deep.equal([])
    }
  })
})
