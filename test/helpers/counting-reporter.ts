import { type MochaOptions, type Runner, reporters } from 'mocha'

/** Mocha's spec reporter, with one more line at the end: `N passed, N failed`, and `, N skipped` when some were. */
class CountingReporter extends reporters.Spec {
  constructor(runner: Runner, options?: MochaOptions) {
    super(runner, options)
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats
      const skipped = pending === 0 ? '' : `, ${pending} skipped`
      process.stdout.write(`${passes} passed, ${failures} failed${skipped}\n`)
    })
  }
}

export = CountingReporter
