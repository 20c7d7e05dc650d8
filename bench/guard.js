import { parseArgs } from 'node:util'
import { compareWithBaseline } from './lib/against-baseline.js'
import { compareWithCheckout } from './lib/against-checkout.js'
import { AGAINST_ROWS } from './lib/against-plan.js'
import { list, whole } from './lib/command-line.js'

const USAGE = `npm run bench:guard -- [options]

  (none)             processor time of a token, against bench/baseline.json: half a minute
  --update           writes that baseline
  --against FOLDER   ours against ours of another checkout, which is built, in the same rounds: five minutes
  --only ROW,…       of these: ${AGAINST_ROWS.join(', ')}
  --rounds N         rounds of each set of processes; more of them tell smaller differences
`

/** Compares what a token costs with what it cost: `npm run bench:guard`. */
async function main() {
  const { values: options } = parseArgs({
    options: {
      update: { type: 'boolean', default: false },
      against: { type: 'string' },
      only: { type: 'string' },
      rounds: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  if (options.help) {
    console.log(USAGE)
    return 0
  }
  if (options.against === undefined) {
    if (options.only !== undefined || options.rounds !== undefined) {
      throw new Error('Cannot choose rows or rounds: --only and --rounds belong to --against')
    }
    return await compareWithBaseline({ isUpdated: options.update })
  }
  if (options.update) throw new Error('Cannot update the baseline: --against compares without it')
  return await compareWithCheckout(options.against, {
    only: list(options.only, '--only', name => AGAINST_ROWS.includes(name)),
    rounds: whole(options.rounds, '--rounds', 1)
  })
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`\nThe guard failed: ${error.message}`)
  process.exitCode = 1
}
