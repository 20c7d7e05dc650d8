import { type ClockTimer, clock, useClock } from '../../lib/runtime/clock'
import { onCleanUp } from './loopback'

const HOUR = 3_600_000

/** Moves the date of the library on, until the test is over, and wakes whoever looks at it each hour. */
export function movableDate(): { moveDate(by: number): void } {
  const real = { ...clock }
  const hourly = new Map<ClockTimer, () => void>()
  let moved = 0
  const restore = useClock({
    ...real,
    date: () => real.date() + moved,
    setTimeout: (call, delay) => {
      const timer = real.setTimeout(call, delay)
      if (delay === HOUR) hourly.set(timer, call)
      return timer
    },
    clearTimeout: timer => {
      hourly.delete(timer)
      real.clearTimeout(timer)
    }
  })
  onCleanUp(restore)
  return {
    moveDate: by => {
      moved = by
      for (const [timer, wake] of [...hourly]) {
        if (!hourly.delete(timer)) continue
        real.clearTimeout(timer)
        wake()
      }
    }
  }
}
