import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))

/** In `dist/`, which Git ignores. */
const PROGRAM = fileURLToPath(new URL('../../../dist/go-peer', import.meta.url))

/** Milliseconds; the first time the standard library is compiled too. */
const BUILD_TIMEOUT = 180_000

/** Builds the peer in Go. @returns its command, on one thread, and the version of Go. @throws when there is no `go` */
export async function goPeer() {
  try {
    // Without cgo no C compiler is needed.
    const env = { ...process.env, CGO_ENABLED: '0' }
    const run = (...args) => promisify(execFile)('go', args, { cwd: FOLDER, env, timeout: BUILD_TIMEOUT })
    await run('build', '-o', PROGRAM, '.')
    const { stdout } = await run('env', 'GOVERSION')
    return { command: ['env', 'GOMAXPROCS=1', PROGRAM], version: stdout.trim().replace(/^go/, '') }
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error('go is not installed')
    throw new Error(`go could not build it: ${(error.stderr || error.message).trim()}`, { cause: error })
  }
}
