import { benchmark } from './lib/benchmark.js'

/** The whole benchmark: `npm run bench`. */
try {
  process.exitCode = await benchmark(process.argv.slice(2))
} catch (error) {
  console.error(`\nThe benchmark failed: ${error.message}`)
  process.exitCode = 1
}
