import { spawnSync } from 'node:child_process'
import type { Context } from 'mocha'

/** Skips the test, loudly, where a program is not installed; with CI set that is a failure. */
export function needProgram(test: Context, program: string, debianPackage = program): void {
  if (spawnSync('bash', ['-c', `command -v ${program}`]).status === 0) return
  const why = `${program} is not installed (Debian package ${debianPackage})`
  if (process.env.CI) throw new Error(`Cannot run this test: ${why}`)
  console.log(`      skipped: ${why}`)
  test.skip()
}

/** Skips the test, loudly, where a process may not open `count` files; with CI set that is a failure. */
export function needFiles(test: Context, count: number): void {
  const { stdout } = spawnSync('bash', ['-c', 'ulimit -n'], { encoding: 'utf8' })
  const limit = stdout.trim() === 'unlimited' ? Infinity : Number(stdout)
  if (limit >= count) return
  const why = `a process may open ${limit} files (ulimit -n), ${count} are needed`
  if (process.env.CI) throw new Error(`Cannot run this test: ${why}`)
  console.log(`      skipped: ${why}`)
  test.skip()
}
