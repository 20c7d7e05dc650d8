import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Bench } from './lib/bench.js'
import { comparison, guardFigures } from './lib/guard-figures.js'
import { GUARD_STAGES } from './lib/guard-plan.js'
import { Progress } from './lib/progress.js'
import { seededRandom } from './lib/random.js'
import { stopOnSignals } from './lib/stop-on-signals.js'
import { summarize } from './lib/summary.js'

const PACE = { ms: 80, warmUpMs: 300, rounds: 9, warmUps: 1, connections: 0, budget: 6_000 }

const BASELINE = new URL('baseline.json', import.meta.url)

/** Compares what a token costs with what it cost: `npm run bench:guard`. Needs no peers, and never fails on time. */
async function main() {
  const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } })
  const progress = new Progress()
  const bench = new Bench({ random: seededRandom(Date.now()), progress })
  stopOnSignals(bench)
  const items = []
  try {
    await bench.start({ needsBroker: false })
    for (const stage of GUARD_STAGES) items.push(...(await bench.run(stage, PACE)).map(summarize))
  } finally {
    progress.clear()
    await bench.stop()
  }
  const figures = guardFigures(items)
  const baseline = existsSync(BASELINE) ? JSON.parse(readFileSync(BASELINE, 'utf8')) : { figures: {} }
  console.log(comparison(figures, baseline.figures))
  if (values.update) {
    const medians = Object.fromEntries(
      Object.entries(figures).map(([name, { median }]) => [name, Number(median.toPrecision(3))])
    )
    writeFileSync(BASELINE, `${JSON.stringify({ node: process.version, figures: medians }, null, 2)}\n`)
    console.log('\nbench/baseline.json is written')
  } else if (baseline.node !== undefined && baseline.node !== process.version) {
    console.log(`\nThe baseline is of Node ${baseline.node}, this is ${process.version}`)
  }
}

main().catch(error => {
  console.error(`\nThe guard failed: ${error.message}`)
  process.exitCode = 1
})
