/** A timer that runs: what the clock's `setTimeout` returned. */
export interface ClockTimer {
  /** Lets the process end although the timer still runs. A browser has no need of it. */
  unref?(): unknown
  ref?(): unknown
}

/** Where all that waits takes its time from. The `FakeClock` of `token-server/testing` is one. */
export interface Clock {
  /** Wall-clock time, milliseconds since 1970. */
  date(): number
  /** Monotonic time, milliseconds since some moment. */
  now(): number
  /** Calls `callback` after `delay` milliseconds, at most 2³¹−1. */
  setTimeout(callback: () => void, delay: number): ClockTimer
  clearTimeout(timer: ClockTimer): void
}

/** The longest delay of a timer, milliseconds. */
export const MAX_DELAY = 2 ** 31 - 1

export const systemClock: Clock = {
  date: () => Date.now(),
  now: () => performance.now(),
  setTimeout: (callback, delay) => setTimeout(callback, delay) as unknown as ClockTimer,
  clearTimeout: timer => clearTimeout(timer as unknown as number)
}
