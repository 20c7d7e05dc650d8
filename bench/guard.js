import { parseArgs } from 'node:util'
import { compareWithBaseline } from './lib/against-baseline.js'

/** Compares what a token costs with what it cost: `npm run bench:guard`. */
try {
  const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } })
  process.exitCode = await compareWithBaseline({ isUpdated: values.update })
} catch (error) {
  console.error(`\nThe guard failed: ${error.message}`)
  process.exitCode = 1
}
