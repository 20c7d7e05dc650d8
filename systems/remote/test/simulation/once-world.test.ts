import { isLong } from '@token-server/test-helpers'
import { expect } from 'chai'
import { OnceWorld } from './once-world'

const RUNS = Number(process.env.WORLDS ?? (isLong ? 5_000 : 12))
const STEPS = 200

describe('Whatever happens by chance to requests over https', () => {
  const first = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
  const counts = new Map<string, number>()

  after(() => {
    if (process.env.SHOW) console.log([...counts].sort())
  })

  it(`each is settled once, as it was, and none runs twice, whatever is brought at whatever time (SEED=${first})`, async function () {
    this.timeout(isLong || process.env.WORLDS ? 1_800_000 : 60_000)
    for (let seed = first; seed < first + (process.env.SEED && !process.env.WORLDS ? 1 : RUNS); seed++) {
      const world = new OnceWorld(seed)
      await world.run(STEPS)
      for (const [what, count] of world.counts) counts.set(what, (counts.get(what) ?? 0) + count)
      const faults = world.faults()
      await world.close()
      if (process.env.SHOW && faults.length > 0) console.log(seed, faults.slice(0, 4))
      else expect(faults, `SEED=${seed}`).to.deep.equal([])
    }
  })
})
