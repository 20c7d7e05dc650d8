import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { builtCheckout, loadLibrary, OWN_CHECKOUT } from '../lib/library.js'

const BENCH = new URL('../', import.meta.url)

/** Each import of ours by a path: what a file of the benchmark reaches. */
function reached(file) {
  const text = readFileSync(new URL(file, BENCH), 'utf8')
  return [
    ...text.matchAll(/(?:from|import|import\(|require\w*(?:\([^)]*\))?\()\s*['"`](\.[^'"`]*)['"`]/g)
  ].map(([, path]) => new URL(path, new URL(file, BENCH)).pathname)
}

test('the library is loaded by the entry of its package, as its users do', () => {
  assert.deepEqual(Object.keys(loadLibrary(OWN_CHECKOUT)), Object.keys(loadLibrary()))
  assert.equal(typeof loadLibrary().TokenServer, 'function')
})

test('no file of the benchmark reaches into the library by a path', () => {
  const files = readdirSync(BENCH, { recursive: true }).filter(
    file => file.endsWith('.js') && !file.startsWith('node_modules')
  )
  const paths = files.flatMap(file => reached(file))
  assert.ok(paths.length > 50, 'the imports are found')
  assert.deepEqual(
    paths.filter(path => !path.startsWith(BENCH.pathname)),
    []
  )
})

test('a folder without a built library is refused, with what to do', () => {
  assert.throws(() => builtCheckout('/nowhere'), /Cannot compare with \/nowhere: no built library is there/)
})
