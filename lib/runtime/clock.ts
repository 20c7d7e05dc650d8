import { setImmediate } from './event-loop'
/** The part of Node's timers that the library relies on. */
export interface ClockTimer {
  /** Starts to count anew, also after it has expired. */
  refresh(): unknown
  /** Lets the process end although the timer still runs. */
  unref(): unknown
}

/** The source of the library's time. */
export interface Clock {
  /** Calls `callback` after `delay` milliseconds. */
  setTimeout(callback: () => void, delay: number): ClockTimer
  clearTimeout(timer: ClockTimer): void
  /** Calls `callback` at the next turn of the event loop. */
  setImmediate(callback: () => void): void
  /** Monotonic time, milliseconds since some moment. */
  now(): number
  /** Wall-clock time, milliseconds since 1970. It can jump. */
  date(): number
}

/**
 * The clock of the library: Node's own, unless a test has put another one in its place.
 *
 * Timeouts and times are looked up at the call, so that a test that replaced a global timer is obeyed as well. The turn of
 * the event loop is not: bytes move by it.
 */
export const clock: Clock = {
  setTimeout: (callback, delay) => setTimeout(callback, delay),
  clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout),
  setImmediate: callback => void setImmediate(callback),
  now: () => performance.now(),
  date: () => Date.now()
}

/**
 * Puts another clock in the place of the library's, for all of it (internal). A timer that runs already stays
 * with the clock that made it.
 *
 * @returns a function that puts the earlier clock back
 */
export function useClock(other: Clock): () => void {
  const earlier = { ...clock }
  Object.assign(clock, {
    setTimeout: (callback: () => void, delay: number) => other.setTimeout(callback, delay),
    clearTimeout: (timer: ClockTimer) => other.clearTimeout(timer),
    setImmediate: (callback: () => void) => other.setImmediate(callback),
    now: () => other.now(),
    date: () => other.date()
  } satisfies Clock)
  return () => void Object.assign(clock, earlier)
}
