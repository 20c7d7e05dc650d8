import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { baselineFigures, comparison } from './baseline-figures.js'
import { BASELINE_STAGES } from './baseline-plan.js'
import { Bench } from './bench.js'
import { failureReport } from './failures.js'
import { Progress } from './progress.js'
import { seededRandom } from './random.js'
import { stopOnSignals } from './stop-on-signals.js'
import { summarize } from './summary.js'

const PACE = { ms: 80, warmUpMs: 300, rounds: 9, connections: 0, budget: 6_000 }

const BASELINE = new URL('../baseline.json', import.meta.url)

/** Ours and raw tls alone, against what is kept. Never fails on time. @returns the exit code: 0 when ours were fine */
export async function compareWithBaseline({ isUpdated }) {
  const progress = new Progress()
  const bench = new Bench({ random: seededRandom(Date.now()), progress })
  stopOnSignals(bench)
  const items = []
  try {
    await bench.start(BASELINE_STAGES)
    for (const stage of BASELINE_STAGES) items.push(...(await bench.run(stage, PACE)).map(summarize))
  } finally {
    progress.clear()
    await bench.stop()
  }
  const figures = baselineFigures(items)
  const baseline = existsSync(BASELINE) ? JSON.parse(readFileSync(BASELINE, 'utf8')) : { figures: {} }
  console.log(comparison(figures, baseline.figures))
  if (!isUpdated && baseline.node !== undefined && baseline.node !== process.version) {
    console.log(`\nThe baseline is of Node ${baseline.node}, this is ${process.version}`)
  }
  const { text, exitCode } = failureReport(bench.failures)
  console.log(`\n${text}`)
  // A baseline without ours would compare nothing.
  if (isUpdated && exitCode === 0) {
    const medians = Object.fromEntries(
      Object.entries(figures).map(([name, { median }]) => [name, Number(median.toPrecision(3))])
    )
    writeFileSync(BASELINE, `${JSON.stringify({ node: process.version, figures: medians }, null, 2)}\n`)
    console.log('bench/baseline.json is written')
  }
  return exitCode
}
