import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Bench } from './lib/bench.js'
import { readCommandLine, USAGE } from './lib/command-line.js'
import { CONTENDERS } from './lib/contenders/index.js'
import { withTables } from './lib/document.js'
import { machine, machineLine, versionsLine } from './lib/machine.js'
import { pictures } from './lib/pictures.js'
import { choose, knownItems } from './lib/plan.js'
import { Progress } from './lib/progress.js'
import { seededRandom } from './lib/random.js'
import { itemReport } from './lib/report.js'
import { stopOnSignals } from './lib/stop-on-signals.js'
import { summarize } from './lib/summary.js'

/** Milliseconds; `total` is for the turns of all items together, of which each gets its part. */
const FULL = { ms: 80, warmUpMs: 150, rounds: 15, warmUps: 1, connections: 2000, total: 900_000 }
const QUICK = { ms: 25, warmUpMs: 50, rounds: 3, warmUps: 1, connections: 100, total: 75_000 }

const RESULTS = new URL('results/', import.meta.url)
const PICTURES = new URL('../docs/pictures/', import.meta.url)
const PAGE = new URL('../docs/performance.md', import.meta.url)

/** The whole benchmark: `npm run bench`. */
async function main() {
  const options = readCommandLine(process.argv.slice(2))
  if (options.help) {
    console.log(
      `${USAGE}\nitems: ${knownItems().join(', ')}\ncontenders: ${Object.keys(CONTENDERS).join(', ')}`
    )
    return
  }
  const pace = { ...(options.quick ? QUICK : FULL) }
  if (options.rounds !== null) Object.assign(pace, { rounds: options.rounds, total: 3_600_000 })
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
  const stages = choose(options)
  const progress = new Progress()
  const bench = new Bench({ random: seededRandom(seed), progress })
  stopOnSignals(bench)
  const items = []
  const begun = Date.now()
  try {
    await bench.start({ needsBroker: stages.some(({ contenders }) => contenders.includes('nats')) })
    const about = machine(bench)
    console.log(`${machineLine(about)}\n${versionsLine(about)}`)
    console.log(
      `seed ${seed}, turns of ${pace.ms} ms, up to ${pace.rounds} rounds${bench.isPinned ? ', a core a side' : ''}\n`
    )
    let left = stages.flatMap(stage => stage.items).length
    for (const stage of stages) {
      const budget = (begun + pace.total - Date.now()) / left
      left -= stage.items.length
      for (const result of await bench.run(stage, { ...pace, budget })) {
        const item = summarize(result)
        items.push({ ...item, values: result.values })
        progress.clear()
        console.log(`${itemReport(item)}\n`)
      }
    }
    const isWhole = !options.quick && options.only === null && options.contenders === null
    write({ date: new Date().toISOString(), seed, pace, machine: about, items }, isWhole || options.publish)
  } finally {
    progress.clear()
    await bench.stop()
  }
  console.log(`${Math.round((Date.now() - begun) / 1000)} s`)
}

/** Only a whole run replaces what the documentation shows. */
function write(results, isPublished) {
  mkdirSync(RESULTS, { recursive: true })
  const stamp = results.date.replace(/[:.]/g, '-')
  writeFileSync(new URL(`${stamp}.json`, RESULTS), `${JSON.stringify(results, null, 1)}\n`)
  console.log(`bench/results/${stamp}.json`)
  if (isPublished) {
    const { items, ...rest } = results
    // The figures of single rounds stay out of the repository.
    const published = { ...rest, items: items.map(({ values, ...item }) => item) }
    writeFileSync(new URL('published.json', RESULTS), `${JSON.stringify(published, null, 1)}\n`)
    writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), published))
    console.log('bench/results/published.json\ndocs/performance.md')
  }
  const folder = isPublished ? PICTURES : new URL('pictures/', RESULTS)
  mkdirSync(folder, { recursive: true })
  for (const [name, svg] of Object.entries(pictures(results))) {
    writeFileSync(new URL(name, folder), svg)
    console.log(`${isPublished ? 'docs' : 'bench/results'}/pictures/${name}`)
  }
}

main().catch(error => {
  console.error(`\nThe benchmark failed: ${error.message}`)
  process.exitCode = 1
})
