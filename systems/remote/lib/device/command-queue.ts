import type { Clock } from '../time/clock'
import { Deadlines } from '../time/deadlines'
import type { ClientQueue } from './client-queue'
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

/** Runs one command at a time, of each client in their order and of several clients in turn; those of concurrent events at once. */
export class CommandQueue {
  readonly #options: CommandQueueOptions
  readonly #running = new Set<Command>()
  readonly #deadlines: Deadlines<Command>
  /** Of whom something waits, the next one first; without {@link #served}. */
  #round: ClientQueue<Command>[] = []
  /**
   * Whose turn it was last. It comes behind the others when the next command is taken, and not before: who comes while its command runs
   * does not wait for another one.
   */
  #served: ClientQueue<Command> | undefined
  #size = 0
  #exclusive: Command | undefined
  #onIdle: (() => void) | undefined
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
    return this.#size
  }

  get isFull(): boolean {
    return this.size >= this.#options.maxCommands
  }

  add(command: Command): void {
    const { queue } = command
    this.#size++
    queue.size++
    if (this.#options.isConcurrent(command.event)) {
      command.isConcurrent = true
      this.#begin(command)
      return
    }
    if (!queue.hasWaiting && queue !== this.#served) this.#round.push(queue)
    queue.push(command)
    this.#pump()
  }

  /** Those that wait or run, and are of this kind. */
  select(isWanted: (command: Command) => boolean): Command[] {
    const queues = this.#served === undefined ? this.#round : [this.#served, ...this.#round]
    return [...queues.flatMap(queue => [...queue.waiting()]), ...this.#running].filter(
      command => command.phase !== 'done' && isWanted(command)
    )
  }

  /** Takes out a command that has not begun. */
  remove(command: Command): void {
    command.phase = 'done'
    const { queue } = command
    if (!queue.remove(command)) return
    this.#leave(command)
    if (!queue.hasWaiting) this.#round = this.#round.filter(each => each !== queue)
  }

  /** Resolves when nothing runs, or so many milliseconds are over. */
  idle(timeout: number): Promise<void> {
    if (this.#running.size === 0 || timeout === 0) return Promise.resolve()
    const { clock } = this.#options
    return new Promise(resolve => {
      const timer = clock.setTimeout(resolve, timeout)
      this.#onIdle = () => {
        clock.clearTimeout(timer)
        resolve()
      }
    })
  }

  close(): void {
    this.#deadlines.stop()
    this.#round = []
    this.#served = undefined
    this.#size = 0
    this.#running.clear()
  }

  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#exclusive === undefined) {
      const command = this.#take()
      if (command === undefined) break
      this.#begin(command)
    }
    this.#isPumping = false
  }

  #take(): Command | undefined {
    const served = this.#served
    if (served?.hasWaiting) {
      // One client alone: it stays where it is.
      if (this.#round.length === 0) return served.shift()
      this.#round.push(served)
    }
    const next = this.#round.shift()
    if (next === undefined) return undefined
    this.#served = next
    return next.shift()
  }

  #leave({ queue }: Command): void {
    this.#size--
    queue.size--
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
      this.#leave(command)
      failed(command, error)
      return
    }
    if (!isLater) {
      this.#leave(command)
      if (value !== REFUSED) succeeded(command, value)
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
    this.#leave(command)
    if (this.#exclusive === command) this.#exclusive = undefined
    if (this.#running.size > 0) return true
    this.#deadlines.idle()
    this.#onIdle?.()
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
