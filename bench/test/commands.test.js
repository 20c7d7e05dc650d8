import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

const PROGRAM = fileURLToPath(new URL('helpers/run-with.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'token-server-bench-'))

after(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a case of run-with.js on a machine on which no program is found but this Node. */
async function run(name) {
  const child = spawn(process.execPath, [PROGRAM, name, `${pathToFileURL(folder).href}/`], {
    env: { PATH: '' },
    stdio: ['ignore', 'pipe', 'ignore']
  })
  child.stdout.setEncoding('utf8')
  const [[exitCode], output] = await Promise.all([once(child, 'close'), child.stdout.toArray()])
  return { exitCode, output: output.join('') }
}

test('a peer whose program is not installed is left out: figures of ours are kept, and the exit code is 0', async () => {
  const { exitCode, output } = await run('peer missing')
  assert.match(output, /^token-server, token\/2 +[\d.]+ /m)
  assert.match(output, /^Go, crypto\/tls and bufio: not run, go is not installed$/m)
  assert.match(output, /^Ours were fine\.$/m)
  assert.equal(exitCode, 0)
  const [file] = readdirSync(folder).filter(entry => entry.endsWith('.json'))
  const { items } = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  assert.deepEqual(
    items.map(({ id }) => id),
    ['64B-up', '64B-down', '64B-session']
  )
  assert.equal(items[0].values['ours-2'].length, 1)
})

test('when ours breaks the run goes on, and the exit code is 1', async () => {
  const { exitCode, output } = await run('ours broken')
  assert.match(output, /^raw tls +[\d.]+ /m)
  assert.match(output, /^Ours FAILED:\n {2}ours in "64 B, client to server": send is tired$/m)
  assert.equal(exitCode, 1)
})

test('ours against ours of another checkout: a row for each protocol and item, and a verdict', async () => {
  const { exitCode, output } = await run('against')
  assert.match(output, /^ping, 64 B, one at a time: token-server, token\/1 +[\d.]+ µs +[\d.]+ µs +[\d.]+ /m)
  assert.match(output, /^ping, 64 B, one at a time: token-server, token\/2 /m)
  assert.match(output, /^64 B by deliver\(\) and send\(\): token\/2, deliver +[\d.]+ .*\/s/m)
  assert.match(output, /by more than 3 %|Perhaps/)
  assert.equal(exitCode, 0)
})
