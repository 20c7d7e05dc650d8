import { type Clock, type ClockTimer, useClock } from '../runtime/clock'
import { setImmediate } from '../runtime/event-loop'

/** The longest delay of Node's timers, milliseconds: a longer one, as one below 1, becomes 1. */
const MAX_DELAY = 0x7fff_ffff

/** Turns of the event loop in which nothing comes any more: a promise or a stream on its way needs one or two. */
const QUIET_TURNS = 4

/** Turns after which what is on its way is taken for endless. */
const MAX_TURNS = 100_000

/** Callbacks after which `runAll` takes the timers for endless. */
const DEFAULT_MAX_CALLBACKS = 10_000

/** Options of {@link FakeClock}. */
export interface FakeClockOptions {
  /** Monotonic time at the beginning, milliseconds. Default 0. */
  now?: number | undefined
  /** Wall-clock time at the beginning, milliseconds since 1970. Default 2020-01-01. */
  date?: number | undefined
}

class FakeTimer implements ClockTimer {
  /** When it expires. */
  due = 0
  isCleared = false

  constructor(
    readonly callback: () => void,
    readonly delay: number,
    readonly start: (timer: FakeTimer) => void
  ) {}

  refresh(): this {
    if (!this.isCleared) this.start(this)
    return this
  }

  unref(): this {
    return this
  }
}

/**
 * A clock that stands still until the test moves it.
 *
 * ```ts
 * const clock = new FakeClock()
 * const restore = clock.install()     // the library's timers are this clock's from now on
 * …
 * await clock.elapse(30_000)
 * restore()
 * ```
 *
 * Timers expire in the order in which they are due, each at its own time, and those due together in the order in
 * which they were set. As in Node, a delay below 1 ms or over 2³¹−1 ms is 1 ms.
 */
export class FakeClock implements Clock {
  #now: number
  #date: number
  /** The timers, in the order in which they were set. */
  readonly #timers = new Set<FakeTimer>()
  #immediates = 0

  constructor(options: FakeClockOptions = {}) {
    this.#now = options.now ?? 0
    this.#date = options.date ?? Date.UTC(2020, 0, 1)
  }

  /** Monotonic time, milliseconds. */
  now(): number {
    return this.#now
  }

  /** Wall-clock time, milliseconds since 1970. */
  date(): number {
    return this.#date
  }

  /** Timers that run. */
  get pending(): number {
    return this.#timers.size
  }

  /** Puts this clock in the place of the library's. Returns a function that puts the earlier one back. */
  install(): () => void {
    return useClock(this)
  }

  setTimeout(callback: () => void, delay: number): ClockTimer {
    const whole = delay >= 1 && delay <= MAX_DELAY ? Math.trunc(delay) : 1
    const timer = new FakeTimer(callback, whole, timer => this.#start(timer))
    this.#start(timer)
    return timer
  }

  /** Clears a timer, also one that Node made before this clock was installed. */
  clearTimeout(timer: ClockTimer): void {
    if (timer instanceof FakeTimer) {
      timer.isCleared = true
      this.#timers.delete(timer)
    } else {
      clearTimeout(timer as NodeJS.Timeout)
    }
  }

  /** Calls `callback` at the next turn of the real event loop, for which time need not pass. */
  setImmediate(callback: () => void): void {
    this.#immediates++
    setImmediate(() => {
      this.#immediates--
      callback()
    })
  }

  /** Moves the wall clock alone, as an administrator or NTP does: timers don't notice. */
  jump(milliseconds: number): void {
    this.#date += milliseconds
  }

  /** Lets time pass at once: timers expire, but no promise and no stream goes on in between. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds
    for (let timer = this.#next(end); timer !== null; timer = this.#next(end)) this.#expire(timer)
    this.#moveTo(end)
  }

  /**
   * Lets time pass, and before each timer and at the end all that is on its way inside the process: promises,
   * streams, what a memory pair carries. Input from outside is not waited for.
   */
  async elapse(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    await this.settle()
    for (let timer = this.#next(end); timer !== null; timer = this.#next(end)) {
      this.#expire(timer)
      await this.settle()
    }
    this.#moveTo(end)
  }

  /**
   * Lets time pass until no timer runs.
   *
   * @throws Error after `maxCallbacks`, default 10,000: timers that set each other never end
   */
  runAll(maxCallbacks = DEFAULT_MAX_CALLBACKS): void {
    for (let count = 0; this.#timers.size > 0; count++) {
      if (count === maxCallbacks) throw new Error(`Cannot run all timers: ${count} expired and more run`)
      this.#expire(this.#next(Infinity) as FakeTimer)
    }
  }

  /**
   * Lets no time pass, but all that is on its way inside the process.
   *
   * @throws Error after 100,000 turns of the event loop: two peers that answer each other never end
   */
  async settle(): Promise<void> {
    let quiet = 0
    for (let turn = 0; quiet < QUIET_TURNS; turn++) {
      if (turn === MAX_TURNS)
        throw new Error(`Cannot settle: after ${turn} turns something is still on its way`)
      quiet = this.#immediates > 0 ? 0 : quiet + 1
      await new Promise<void>(resolve => setImmediate(resolve))
    }
  }

  /** Adds a timer behind those that are due at the same time. */
  #start(timer: FakeTimer): void {
    this.#timers.delete(timer)
    timer.due = this.#now + timer.delay
    this.#timers.add(timer)
  }

  #next(end: number): FakeTimer | null {
    let next: FakeTimer | null = null
    let due = end
    for (const timer of this.#timers) {
      const isEarlier = next === null ? timer.due <= due : timer.due < due
      if (!isEarlier) continue
      next = timer
      due = timer.due
    }
    return next
  }

  #expire(timer: FakeTimer): void {
    this.#timers.delete(timer)
    this.#moveTo(timer.due)
    timer.callback()
  }

  #moveTo(now: number): void {
    this.#date += now - this.#now
    this.#now = now
  }
}
