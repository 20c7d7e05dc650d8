import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Installs the peers when they are not there, or older than the lockfile. */
const folder = fileURLToPath(new URL('.', import.meta.url))
const installed = new URL('node_modules/.package-lock.json', import.meta.url)
const locked = new URL('package-lock.json', import.meta.url)

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(locked).mtimeMs) {
  console.error('Installing the peers of the benchmark …')
  const { status } = spawnSync('npm', ['ci', '--prefix', folder], { stdio: ['ignore', 'ignore', 'inherit'] })
  // Without them there is still what Node itself brings along; each missing one is told.
  if (status !== 0)
    console.error('They could not be installed: the benchmark runs without those that are missing.')
}
