import { randomInt } from 'node:crypto'
import { Progress } from './progress'
import { runWorlds, STEPS_PER_WORLD } from './run'

/**
 * `npm run test:worlds`: plays so many STEPS, default 1,000,000, in worlds with the seeds from SEED on; with SEED alone
 * that one world. Prints each world that broke, and ends with 1 when one did.
 */
async function main(): Promise<void> {
  const { SEED, STEPS = SEED === undefined ? '1000000' : '1' } = process.env
  const first = SEED === undefined ? randomInt(2 ** 31) : Number(SEED)
  const worlds = Math.ceil(Number(STEPS) / STEPS_PER_WORLD)
  console.log(`${worlds} worlds of ${STEPS_PER_WORLD} steps, seeds from ${first}`)
  const progress = new Progress(worlds)
  const broken: number[] = []
  for (let seed = first; seed < first + worlds; seed++) {
    const counts = await runWorlds(seed, 1).catch((error: Error) => {
      broken.push(seed)
      progress.print(error.message)
      return null
    })
    progress.played(counts)
  }
  progress.end()
  console.log(broken.length === 0 ? 'no world broke' : `${broken.length} worlds broke: ${broken.join(', ')}`)
  process.exit(broken.length === 0 ? 0 : 1)
}

void main()
