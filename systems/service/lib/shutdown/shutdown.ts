import { constants } from 'node:os'
import type { Logger } from 'pino'
import { SHUTDOWN_TIMEOUT } from '../config/base-schema'

/** The doors are closed first, then what works behind them ends, then what both have used, and the log last. */
export type ShutdownPhase = 'doors' | 'work' | 'outputs' | 'log'

const PHASES: readonly ShutdownPhase[] = ['doors', 'work', 'outputs', 'log']

/** @param signal aborts when there is no time left */
export type ShutdownStep = (signal: AbortSignal) => unknown

export interface ShutdownOptions {
  /** Milliseconds for all steps together. Default 25,000: Kubernetes kills after 30 s. */
  readonly timeout?: number | undefined
  readonly log?: Pick<Logger, 'info' | 'warn' | 'error'> | undefined
  /** Ends the process after a signal. Default `process.exit`. */
  readonly exit?: ((code: number) => void) | undefined
}

export interface ShutdownResult {
  /** Steps that had not ended in time. */
  readonly late: readonly string[]
  /** Steps that failed. */
  readonly failed: readonly string[]
}

/**
 * Ends a service in order, within a time.
 *
 * ```
 *  running ── run(), SIGTERM or SIGINT ──▶ doors, work, outputs, log: one step after another ──▶ ended
 *                                                     │ timeout: the signal aborts, nobody is waited for any more
 *                                                     │ a second signal ──▶ the process exits at once, 128 + its number
 * ```
 */
export class Shutdown {
  readonly #timeout: number
  readonly #log: ShutdownOptions['log']
  readonly #exit: (code: number) => void
  readonly #steps: { readonly name: string; readonly phase: ShutdownPhase; readonly step: ShutdownStep }[] =
    []
  readonly #listeners = new Map<NodeJS.Signals, () => void>()
  #running: Promise<ShutdownResult> | null = null

  constructor(options: ShutdownOptions = {}) {
    this.#timeout = options.timeout ?? SHUTDOWN_TIMEOUT
    this.#log = options.log
    this.#exit = options.exit ?? (code => process.exit(code))
  }

  get isRunning(): boolean {
    return this.#running !== null
  }

  /** Steps of a phase run one after another, in the order in which they were added. @returns call it to take it away */
  add(name: string, step: ShutdownStep, phase: ShutdownPhase = 'work'): () => void {
    const added = { name, phase, step }
    this.#steps.push(added)
    return () => {
      const index = this.#steps.indexOf(added)
      if (index >= 0) this.#steps.splice(index, 1)
    }
  }

  /** Until it has run, these signals end the service, and then the process: exit code 0 if all went well, else 1. */
  onSignals(signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT']): void {
    for (const signal of signals) {
      if (this.#listeners.has(signal)) continue
      const listener = () => void this.#signalled(signal)
      this.#listeners.set(signal, listener)
      process.on(signal, listener)
    }
  }

  /** Runs the steps, once however often it is called. Never rejects. */
  run(why: string): Promise<ShutdownResult> {
    this.#running ??= this.#run(why)
    return this.#running
  }

  async #signalled(signal: NodeJS.Signals): Promise<void> {
    if (this.isRunning) {
      this.#log?.warn(`${signal} again: the process exits at once`)
      this.#exit(128 + constants.signals[signal])
      return
    }
    const { late, failed } = await this.run(signal)
    this.#exit(late.length + failed.length === 0 ? 0 : 1)
  }

  async #run(why: string): Promise<ShutdownResult> {
    this.#log?.info({ timeout: this.#timeout }, `Shutting down: ${why}`)
    const late: string[] = []
    const failed: string[] = []
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(), this.#timeout)
    const timedOut = new Promise<'late'>(resolve => {
      deadline.signal.addEventListener('abort', () => resolve('late'))
    })
    const steps = PHASES.flatMap(phase => this.#steps.filter(step => step.phase === phase))
    for (const { name, step } of steps) {
      const done = Promise.resolve(deadline.signal)
        .then(step)
        .then(
          () => 'done' as const,
          error => {
            this.#log?.error({ err: error }, `Shutdown: ${name} failed`)
            return 'failed' as const
          }
        )
      const end = await Promise.race([done, timedOut])
      if (end === 'late') late.push(name)
      if (end === 'failed') failed.push(name)
    }
    clearTimeout(timer)
    for (const [signal, listener] of this.#listeners) process.removeListener(signal, listener)
    this.#listeners.clear()
    if (late.length > 0) this.#log?.error(`Shutdown: no time was left for ${late.join(', ')}`)
    return Object.freeze({ late, failed })
  }
}
