import { type Clock, type ClockTimer, clock, useClock } from '../../../lib/runtime/clock'

/** Counts the timers of the library that run: also those that let the process end, which Node does not tell. */
export class TimerCount {
  readonly #running = new Set<ClockTimer>()

  get running(): number {
    return this.#running.size
  }

  /** @returns a function that puts Node's clock back */
  install(): () => void {
    const node: Clock = { ...clock }
    const running = this.#running
    return useClock({
      ...node,
      setTimeout: (callback, delay) => {
        const timer = node.setTimeout(() => {
          running.delete(timer)
          callback()
        }, delay)
        const refresh = timer.refresh.bind(timer)
        timer.refresh = () => {
          running.add(timer)
          return refresh()
        }
        running.add(timer)
        return timer
      },
      clearTimeout: timer => {
        running.delete(timer)
        node.clearTimeout(timer)
      }
    })
  }
}
