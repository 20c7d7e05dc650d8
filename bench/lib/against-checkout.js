import { againstReport, againstRows, joined } from './against-figures.js'
import { againstContenders, againstStages } from './against-plan.js'
import { Bench } from './bench.js'
import { failureReport } from './failures.js'
import { builtCheckout, commitOf, OWN_CHECKOUT } from './library.js'
import { Progress } from './progress.js'
import { seededRandom } from './random.js'
import { stopOnSignals } from './stop-on-signals.js'

const PACE = { ms: 80, warmUpMs: 300, rounds: 6, connections: 0, budget: 60_000 }

/** What differs from process to process, as where their memory lies, must not look like a change: each row gets several. */
const SETS = 3

/**
 * Ours against ours of another checkout, which take turns in the same rounds. Never fails on time.
 *
 * @param folder of the other checkout, which is built
 * @returns the exit code: 0 when ours of this checkout were fine
 */
export async function compareWithCheckout(
  folder,
  { only = null, rounds = null, pace = PACE, sets = SETS } = {}
) {
  const other = builtCheckout(folder)
  const stages = againstStages(only)
  const progress = new Progress()
  const bench = new Bench({
    random: seededRandom(Date.now()),
    progress,
    contenders: againstContenders(other)
  })
  stopOnSignals(bench)
  const items = []
  try {
    await bench.start(stages)
    for (const stage of stages) {
      const runs = []
      for (let set = 0; set < sets; set++) {
        runs.push(await bench.run(stage, { ...pace, rounds: rounds ?? pace.rounds }))
      }
      items.push(...joined(runs))
    }
  } finally {
    progress.clear()
    await bench.stop()
  }
  console.log(`this: ${OWN_CHECKOUT} (${commitOf(OWN_CHECKOUT)})\nother: ${other} (${commitOf(other)})\n`)
  console.log(againstReport(againstRows(items)))
  const { text, exitCode } = failureReport(bench.failures)
  console.log(text)
  return exitCode
}
