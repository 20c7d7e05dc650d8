import { type MochaOptions, type Runner, reporters } from 'mocha'

/** Mocha's spec reporter, with one more line at the end: `N passed, N failed`. */
class CountingReporter extends reporters.Spec {
  constructor(runner: Runner, options?: MochaOptions) {
    super(runner, options)
    runner.once('end', () => {
      const { passes, failures } = this.stats
      process.stdout.write(`${passes} passed, ${failures} failed\n`)
    })
  }
}

export = CountingReporter
