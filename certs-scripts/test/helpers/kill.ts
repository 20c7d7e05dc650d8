import fs from 'node:fs/promises'

/**
 * Runs something in this process as if it were killed just before the n-th file is written or renamed: what it
 * does then never happens, and nothing is tidied up.
 * @returns what it resolved with, or `killed`
 */
export async function killedAt<T>(n: number, use: () => Promise<T>): Promise<T | 'killed'> {
  const { rename, writeFile } = fs
  let count = 0
  let kill = () => {}
  const killed = new Promise<'killed'>(resolve => {
    kill = () => resolve('killed')
  })
  const orKill =
    <Args extends unknown[]>(act: (...args: Args) => Promise<void>) =>
    (...args: Args): Promise<void> => {
      count += 1
      if (count < n) return act(...args)
      kill()
      return new Promise(() => {})
    }
  fs.rename = orKill(rename)
  fs.writeFile = orKill(writeFile) as typeof writeFile
  try {
    return await Promise.race([use(), killed])
  } finally {
    Object.assign(fs, { rename, writeFile })
  }
}
