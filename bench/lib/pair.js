import { fileURLToPath } from 'node:url'
import { SideProcess } from './side-process.js'

const SIDE = [
  process.execPath,
  '--expose-gc',
  '--no-deprecation',
  fileURLToPath(new URL('side.js', import.meta.url))
]
const CONTENDERS = new URL('contenders/', import.meta.url)

/**
 * Both sides of one contender, a process each, which it shares with nobody: so it pays for its own garbage alone, and
 * what breaks or hangs there is its own.
 */
export class Pair {
  server
  client
  contender
  cipher = null
  #argument
  #port = null

  /**
   * @param contender its entry in contenders/index.js
   * @param setting what both sides are given
   */
  constructor(contender, { command = SIDE, setting, isPinned, patience }) {
    const { file, way, variant = {} } = contender
    const fileUrl = file === undefined ? undefined : new URL(file, CONTENDERS).href
    this.contender = contender
    this.#argument = { file: fileUrl, way, setting: { ...setting, variant } }
    const options = { command, patience: contender.patience ?? patience }
    this.server = new SideProcess({ ...options, core: isPinned ? 0 : null })
    this.client = new SideProcess({ ...options, core: isPinned ? 1 : null })
  }

  async listen() {
    const name = this.contender.way === undefined ? 'listen' : 'acceptHandshakes'
    const { port } = await this.server.call(name, this.#argument)
    this.#port = port
  }

  /** Adds `count` connections, and waits until the server's side has `total`. */
  async connect(count, total = count) {
    const argument = { ...this.#argument, port: this.#port, count }
    const { cipher } = await this.client.call('connect', argument)
    this.cipher = cipher
    await this.server.call('arrived', { count: total })
  }

  async connectAgainFor(ms) {
    return await this.client.call('handshakes', { ...this.#argument, port: this.#port, ms })
  }

  kill() {
    this.server.kill()
    this.client.kill()
  }

  async stop() {
    await Promise.all([this.server.stop(), this.client.stop()])
  }
}
