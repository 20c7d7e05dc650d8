import { type MochaOptions, type Runner, reporters } from 'mocha'

/**
 * A dot for each test and the failures at the end, or with the reporter option `list` a line for each test; then one
 * line more: `N passed, N failed`, and `, N skipped` when some were.
 */
function createReporter(runner: Runner, options: MochaOptions = {}): reporters.Base {
  const { list } = (options.reporterOptions ?? {}) as { list?: unknown }
  const reporter =
    list === undefined ? new reporters.Dot(runner, options) : new reporters.Spec(runner, options)
  runner.once('end', () => {
    const { passes, failures, pending } = reporter.stats
    const skipped = pending === 0 ? '' : `, ${pending} skipped`
    process.stdout.write(`${passes} passed, ${failures} failed${skipped}\n`)
  })
  return reporter
}

export = createReporter
