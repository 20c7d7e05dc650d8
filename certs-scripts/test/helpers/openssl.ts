import { spawnSync } from 'node:child_process'

/** Standard output and error of one run of openssl, and its exit code. */
export interface Answer {
  readonly text: string
  readonly code: number | null
}

/** Runs openssl with these arguments, `input` on its standard input. */
export function openssl(args: readonly string[], input = ''): Answer {
  const { stdout, stderr, status } = spawnSync('openssl', args, { input, encoding: 'utf8' })
  return { text: `${stdout}${stderr}`, code: status }
}

/** Skips the suite aloud where there is no openssl; under CI that is a failure instead. */
export function needOpenssl(): void {
  before(function () {
    if (spawnSync('openssl', ['version']).error === undefined) return
    if (process.env.CI === 'true')
      throw new Error('openssl is not installed, and CI must not skip these tests')
    console.log('      skipped: openssl is not installed')
    this.skip()
  })
}
