/** Where a key ring takes its time from. The `FakeClock` of `token-server/testing` is one. */
export interface Clock {
  /** Milliseconds since 1970. */
  date(): number
  /** @param delay milliseconds, at most 2³¹−1 */
  setTimeout(callback: () => void, delay: number): ClockTimer
  clearTimeout(timer: ClockTimer): void
}

export interface ClockTimer {
  /** Lets the process end although the timer still runs. */
  unref(): unknown
}

export const systemClock: Clock = {
  date: () => Date.now(),
  setTimeout: (callback, delay) => setTimeout(callback, delay),
  clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout)
}
