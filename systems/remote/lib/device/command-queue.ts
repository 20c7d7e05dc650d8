import type { Clock } from '../time/clock'
import { Deadlines } from '../time/deadlines'
import type { Command } from './command'

export interface CommandQueueOptions {
  readonly clock: Clock
  /** That wait or run at once. */
  readonly maxCommands: number
  /** Milliseconds. */
  readonly handlerTimeout: number
  /** Events whose commands wait for no other. */
  readonly isConcurrent: (event: string) => boolean
  /** @returns what the handler returned, or {@link REFUSED} when it was not called. @throws what the handler threw */
  readonly run: (command: Command) => unknown
  readonly succeeded: (command: Command, value: unknown) => void
  readonly failed: (command: Command, error: unknown) => void
  readonly timedOut: (command: Command) => void
}

/** What `run` returns for a command that it answered by itself. */
export const REFUSED = Symbol('refused')

/** Runs one command at a time, in the order in which they came; those of concurrent events at once. */
export class CommandQueue {
  readonly #options: CommandQueueOptions
  readonly #running = new Set<Command>()
  readonly #deadlines: Deadlines<Command>
  #waiting: Command[] = []
  #start = 0
  #exclusive: Command | undefined
  #isPumping = false

  constructor(options: CommandQueueOptions) {
    this.#options = options
    this.#deadlines = new Deadlines(
      options.clock,
      () => this.#running,
      command => this.#timeOut(command)
    )
  }

  /** That wait or run. */
  get size(): number {
    return this.#waiting.length - this.#start + this.#running.size
  }

  get isFull(): boolean {
    return this.size >= this.#options.maxCommands
  }

  add(command: Command): void {
    if (this.#options.isConcurrent(command.event)) {
      command.isConcurrent = true
      this.#begin(command)
      return
    }
    this.#waiting.push(command)
    this.#pump()
  }

  /** Those that wait or run, and are of this kind. */
  select(isWanted: (command: Command) => boolean): Command[] {
    return [...this.#waiting.slice(this.#start), ...this.#running].filter(
      command => command.phase !== 'done' && isWanted(command)
    )
  }

  /** Takes out a command that has not begun. */
  remove(command: Command): void {
    command.phase = 'done'
    const index = this.#waiting.indexOf(command, this.#start)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  close(): void {
    this.#deadlines.stop()
    this.#waiting = []
    this.#start = 0
    this.#running.clear()
  }

  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#exclusive === undefined && this.#start < this.#waiting.length)
      this.#begin(this.#waiting[this.#start++] as Command)
    if (this.#start > 1024 || this.#start === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#start)
      this.#start = 0
    }
    this.#isPumping = false
  }

  #begin(command: Command): void {
    const { run, clock, handlerTimeout, succeeded, failed } = this.#options
    command.phase = 'running'
    let value: unknown
    let isLater: boolean
    try {
      value = run(command)
      isLater = isPromise(value)
    } catch (error) {
      failed(command, error)
      return
    }
    if (value === REFUSED) return
    if (!isLater) {
      succeeded(command, value)
      return
    }
    if (!command.isConcurrent) this.#exclusive = command
    this.#running.add(command)
    command.deadline = clock.now() + handlerTimeout
    this.#deadlines.note(command.deadline)
    Promise.resolve(value).then(
      result => {
        if (!this.#finish(command)) return
        succeeded(command, result)
        this.#pump()
      },
      (error: unknown) => {
        if (!this.#finish(command)) return
        failed(command, error)
        this.#pump()
      }
    )
  }

  #finish(command: Command): boolean {
    if (!this.#running.delete(command)) return false
    if (this.#exclusive === command) this.#exclusive = undefined
    if (this.#running.size === 0) this.#deadlines.idle()
    return true
  }

  #timeOut(command: Command): void {
    if (!this.#finish(command)) return
    this.#options.timedOut(command)
    this.#pump()
  }
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
