import { compareWithCheckout } from '../../lib/against-checkout.js'
import { benchmark } from '../../lib/benchmark.js'
import { EVERYBODY } from '../../lib/contenders/index.js'
import { OWN_CHECKOUT } from '../../lib/library.js'
import { misbehaving } from './misbehaving.js'

/** The commands as programs, for commands.test.js: `node run-with.js CASE RESULTS`. */
const [name, results] = process.argv.slice(2)

const PART = ['--quick', '--only', '64B', '--rounds', '1', '--contenders', 'ours-2,go']
const TINY = { ms: 5, warmUpMs: 5, rounds: 1, connections: 0, budget: 60_000 }

const cases = {
  'peer missing': () => benchmark(PART, { results: new URL(results) }),
  'ours broken': () =>
    benchmark(PART, {
      contenders: { ...EVERYBODY, 'ours-2': misbehaving('throws', { title: 'ours', isOurs: true }) },
      results: new URL(results)
    }),
  against: () => compareWithCheckout(OWN_CHECKOUT, { only: ['ping', 'deliver'], pace: TINY, sets: 1 })
}

process.exitCode = await cases[name]()
