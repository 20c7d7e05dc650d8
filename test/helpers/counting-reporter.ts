import { type MochaOptions, type Runner, reporters } from 'mocha'

/** Milliseconds that the process may take to end after the tests. */
const TIME_TO_END = 20_000

/**
 * A dot for each test and the failures at the end, or with the reporter option `list` a line for each test; then one
 * line more: `N passed, N failed`, and `, N skipped` when some were. A run that does not end then fails.
 */
function createReporter(runner: Runner, options: MochaOptions = {}): reporters.Base {
  const { list } = (options.reporterOptions ?? {}) as { list?: unknown }
  const reporter =
    list === undefined ? new reporters.Dot(runner, options) : new reporters.Spec(runner, options)
  runner.once('end', () => {
    const { passes, failures, pending } = reporter.stats
    const skipped = pending === 0 ? '' : `, ${pending} skipped`
    process.stdout.write(`${passes} passed, ${failures} failed${skipped}\n`)
    setTimeout(() => {
      const resources = process.getActiveResourcesInfo().join(', ')
      process.stdout.write(`Tests have left behind what keeps the process alive: ${resources}\n`)
      process.exit(1)
    }, TIME_TO_END).unref()
  })
  return reporter
}

export = createReporter
