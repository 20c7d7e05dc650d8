import { now } from './clock.js'

const INTERVAL = 1

/** Counts how often a timer of 1 ms comes to its turn, and the longest time in which it did not. */
export class TickCounter {
  #count = 0
  #startedAt = now()
  #last = this.#startedAt
  #longest = 0
  #timer = setInterval(() => this.#tick(), INTERVAL)

  stop() {
    this.#tick()
    clearInterval(this.#timer)
    return { perMs: (this.#count - 1) / (this.#last - this.#startedAt), longest: this.#longest }
  }

  #tick() {
    const time = now()
    this.#count++
    this.#longest = Math.max(this.#longest, time - this.#last)
    this.#last = time
  }
}
