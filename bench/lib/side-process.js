import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { onLine } from './lines.js'

/** Milliseconds that a process has for its own end. */
const STOP_TIMEOUT = 2000

/** One side of a contender, in a process of its own, which answers calls with lines of JSON on descriptor 3. */
export class SideProcess {
  #process
  #line
  #patience
  #calls = new Map()
  #lastCall = 0
  /** What broke it; every later call fails with it. */
  #failure = null
  #gone

  /**
   * @param command the program and its arguments
   * @param core the processor that it is bound to, or null
   * @param patience milliseconds in which it must answer
   */
  constructor({ command, core, patience }) {
    this.#patience = patience
    // What a contender prints does not belong between the tables.
    this.#process = spawnOwned(
      core === null ? command : ['taskset', '--cpu-list', String(core), ...command],
      ['ignore', process.stderr, process.stderr, 'pipe']
    )
    this.#gone = once(this.#process, 'exit').catch(() => {})
    this.#process.on('error', error => this.#fail(error))
    this.#process.on('exit', (code, signal) => {
      this.#fail(new Error(`its process ended with ${signal ?? `exit code ${code}`}`))
    })
    this.#line = this.#process.stdio[3]
    // Why it broke is told by the end of the process.
    this.#line.on('error', () => {})
    onLine(this.#line, line => this.#answered(line))
  }

  /** Runs a function of side.js there. */
  call(name, argument = {}) {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const id = ++this.#lastCall
      const timer = setTimeout(() => {
        this.#calls.delete(id)
        reject(new Error(`${name} was not done within ${this.#patience} ms`))
      }, this.#patience)
      this.#calls.set(id, { resolve, reject, timer })
      this.#line.write(`${JSON.stringify({ id, name, argument })}\n`)
    })
  }

  kill() {
    this.#process.kill('SIGKILL')
  }

  /** Resolves when the process has ended, of itself or not. */
  async stop() {
    this.#line.destroy()
    const timer = setTimeout(() => this.kill(), STOP_TIMEOUT)
    await this.#gone
    clearTimeout(timer)
  }

  #answered(line) {
    let answer
    try {
      answer = JSON.parse(line)
    } catch {
      this.#fail(new Error('its process answered what is no JSON'))
      return
    }
    const { id, result, error, failure, stack } = answer
    if (failure !== undefined) {
      this.#fail(Object.assign(new Error(failure), { stack }))
      return
    }
    const call = this.#calls.get(id)
    if (call === undefined) return
    this.#calls.delete(id)
    clearTimeout(call.timer)
    if (error === undefined) call.resolve(result)
    else call.reject(Object.assign(new Error(error), { stack }))
  }

  #fail(error) {
    this.#failure ??= error
    for (const { reject, timer } of this.#calls.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#calls.clear()
  }
}

/** Starts a program that does not outlive this process, even when this one is killed (where there is setpriv). */
export function spawnOwned(command, stdio) {
  canOwn ??= spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0
  const [program, ...args] = canOwn ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command
  return spawn(program, args, { stdio })
}

let canOwn

/** Whether processes can be bound to processors here. */
export function canPin() {
  return spawnSync('taskset', ['--cpu-list', '0', 'true']).status === 0
}
