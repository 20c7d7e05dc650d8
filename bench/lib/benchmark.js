import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Bench } from './bench.js'
import { readCommandLine, USAGE } from './command-line.js'
import { CONTENDERS, EVERYBODY } from './contenders/index.js'
import { withTables } from './document.js'
import { failureReport } from './failures.js'
import { machine, machineLine, versionsLine } from './machine.js'
import { pictures } from './pictures.js'
import { choose, knownItems } from './plan.js'
import { Progress } from './progress.js'
import { seededRandom } from './random.js'
import { itemReport } from './report.js'
import { stopOnSignals } from './stop-on-signals.js'
import { summarize } from './summary.js'

/**
 * Milliseconds; `total` is for the turns of all items together, of which each gets its part. The processes of each stage
 * are new: before it counts, what they run must be compiled, for which `warmUpMs` is processor time.
 */
const FULL = { ms: 80, warmUpMs: 300, rounds: 15, connections: 2000, total: 900_000 }
const QUICK = { ms: 25, warmUpMs: 100, rounds: 3, connections: 100, total: 75_000 }

const RESULTS = new URL('../results/', import.meta.url)
const PICTURES = new URL('../../docs/pictures/', import.meta.url)
const PAGE = new URL('../../docs/performance.md', import.meta.url)

/**
 * The whole benchmark: `npm run bench`.
 *
 * @param contenders who takes part, by name; default all in contenders/index.js
 * @param results folder for what is not published; default bench/results
 * @returns the exit code: 0 when ours were fine, whatever became of the others
 */
export async function benchmark(args, { contenders = EVERYBODY, results = RESULTS } = {}) {
  const options = readCommandLine(args)
  if (options.help) {
    console.log(
      `${USAGE}\nitems: ${knownItems().join(', ')}\ncontenders: ${Object.keys(CONTENDERS).join(', ')}`
    )
    return 0
  }
  const pace = { ...(options.quick ? QUICK : FULL) }
  if (options.rounds !== null) Object.assign(pace, { rounds: options.rounds, total: 3_600_000 })
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
  const stages = choose(options)
  const progress = new Progress()
  const bench = new Bench({ random: seededRandom(seed), progress, contenders })
  stopOnSignals(bench)
  const items = []
  const begun = Date.now()
  try {
    await bench.start(stages)
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
    const { text, exitCode } = failureReport(bench.failures)
    // What the documentation shows is never without ours.
    const isPublished = exitCode === 0 && (isWhole || options.publish)
    write(
      { date: new Date().toISOString(), seed, pace, machine: about, items },
      { isPublished, folder: results }
    )
    console.log(`${Math.round((Date.now() - begun) / 1000)} s\n${text}`)
    return exitCode
  } finally {
    progress.clear()
    await bench.stop()
  }
}

/** Only a whole run replaces what the documentation shows. */
function write(results, { isPublished, folder }) {
  mkdirSync(folder, { recursive: true })
  const stamp = results.date.replace(/[:.]/g, '-')
  save(new URL(`${stamp}.json`, folder), `${JSON.stringify(results, null, 1)}\n`)
  if (isPublished) {
    const { items, ...rest } = results
    // The figures of single rounds stay out of the repository.
    const published = { ...rest, items: items.map(({ values, ...item }) => item) }
    save(new URL('published.json', RESULTS), `${JSON.stringify(published, null, 1)}\n`)
    save(PAGE, withTables(readFileSync(PAGE, 'utf8'), published))
  }
  const drawn = isPublished ? PICTURES : new URL('pictures/', folder)
  mkdirSync(drawn, { recursive: true })
  for (const [name, svg] of Object.entries(pictures(results))) save(new URL(name, drawn), svg)
}

function save(url, text) {
  writeFileSync(url, text)
  console.log(fileURLToPath(url))
}
