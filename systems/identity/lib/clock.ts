/** A timer that runs: what the clock's `setTimeout` returned. */
export interface ClockTimer {
  /** Lets the process end although the timer still runs. */
  unref(): unknown
}

/** Where a verifier takes its time from. The `FakeClock` of `token-server/testing` is one. */
export interface Clock {
  /** Wall-clock time, milliseconds since 1970. */
  date(): number
  /** Monotonic time, milliseconds since some moment. */
  now(): number
  /** Calls `callback` after `delay` milliseconds, at most 2³¹−1. */
  setTimeout(callback: () => void, delay: number): ClockTimer
  clearTimeout(timer: ClockTimer): void
}

/** Node's own. */
export const systemClock: Clock = {
  date: () => Date.now(),
  now: () => performance.now(),
  setTimeout: (callback, delay) => setTimeout(callback, delay),
  clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout)
}
