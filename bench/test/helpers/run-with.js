import { benchmark } from '../../lib/benchmark.js'
import { EVERYBODY } from '../../lib/contenders/index.js'
import { misbehaving } from './misbehaving.js'

/** The commands as programs, for commands.test.js: `node run-with.js CASE RESULTS`. */
const [name, results] = process.argv.slice(2)

const PART = ['--quick', '--only', '64B', '--rounds', '1', '--contenders', 'ours-2,go']

const cases = {
  'peer missing': () => benchmark(PART, { results: new URL(results) }),
  'ours broken': () =>
    benchmark(PART, {
      contenders: { ...EVERYBODY, 'ours-2': misbehaving('throws', { title: 'ours', isOurs: true }) },
      results: new URL(results)
    })
}

process.exitCode = await cases[name]()
