import { runWorlds } from './run'

/** `node program.js FIRST-SEED WORLDS [STEPS]`: prints each world that broke, one a line. */
async function main(): Promise<void> {
  const [first = 1, worlds = 1] = process.argv.slice(2).map(Number)
  const isOne = process.argv.includes('--first')
  for (let seed = first; seed < first + worlds; seed++) {
    const failure = await runWorlds(seed, 1).then(
      () => null,
      (error: Error) => error.message
    )
    if (failure !== null) console.log(failure)
    if (failure !== null && isOne) break
  }
  const { user, system } = process.cpuUsage()
  console.error(`${((user + system) / 1e6).toFixed(1)} s of CPU`)
  process.exit()
}

void main()
