import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('side.js', import.meta.url))

/** Milliseconds in which a side must answer. A message that never comes ends here. */
const ANSWER_TIMEOUT = 60_000

/** The server's or the client's side in a process of its own, on a processor of its own. */
export class SideProcess {
  #process
  #calls = new Map()
  #lastCall = 0
  /** What broke it; every later call fails with it. */
  #failure = null
  #exited

  /** @param core the processor that it is bound to, or null */
  constructor(core, nodeOptions = []) {
    const args = ['--expose-gc', '--no-deprecation', ...nodeOptions, PROGRAM]
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc']
    this.#process =
      core === null
        ? spawn(process.execPath, args, { stdio })
        : spawn('taskset', ['--cpu-list', String(core), process.execPath, ...args], { stdio })
    this.#process.on('message', answer => this.#answered(answer))
    this.#process.on('exit', (code, signal) => {
      this.#failAll(new Error(`A side ended with ${signal ?? `exit code ${code}`}`))
    })
    this.#exited = once(this.#process, 'exit')
  }

  /** Runs a function of side.js there. */
  call(name, argument = {}) {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const id = ++this.#lastCall
      const timer = setTimeout(() => {
        this.#calls.delete(id)
        reject(new Error(`${name} of ${argument.name ?? 'a side'} was not done within ${ANSWER_TIMEOUT} ms`))
      }, ANSWER_TIMEOUT)
      this.#calls.set(id, { resolve, reject, timer })
      this.#process.send({ id, name, argument })
    })
  }

  kill() {
    this.#process.kill('SIGKILL')
  }

  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    if (this.#process.connected) this.#process.disconnect()
    const timer = setTimeout(() => this.kill(), 2000)
    await this.#exited
    clearTimeout(timer)
  }

  #answered({ id, result, error, failure }) {
    if (failure !== undefined) {
      this.#failAll(new Error(failure))
      return
    }
    const call = this.#calls.get(id)
    if (call === undefined) return
    this.#calls.delete(id)
    clearTimeout(call.timer)
    if (error === undefined) call.resolve(result)
    else call.reject(new Error(error))
  }

  #failAll(error) {
    this.#failure ??= error
    for (const { reject, timer } of this.#calls.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#calls.clear()
  }
}

/** Whether processes can be bound to processors here. */
export function canPin() {
  return spawnSync('taskset', ['--cpu-list', '0', 'true']).status === 0
}
