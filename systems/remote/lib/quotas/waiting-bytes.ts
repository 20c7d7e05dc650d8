/** A connection with bytes that wait to be written. */
export interface Receiver {
  readonly waitingBytes: number
  tooSlow(): void
}

/** Bounds the bytes that wait for all receivers together: those for whom most waits are cut first. */
export class WaitingBytes {
  readonly #most: number
  readonly #noted = new Map<Receiver, number>()
  #sum = 0

  constructor(most: number) {
    this.#most = most
  }

  /** As it is now. */
  get sum(): number {
    this.#count()
    return this.#sum
  }

  /** To be called after each write. What was written since counts until there is too much in all. */
  note(receiver: Receiver, bytes: number): void {
    const before = this.#noted.get(receiver) ?? 0
    if (bytes === 0) {
      if (before > 0) this.forget(receiver)
      return
    }
    this.#noted.set(receiver, bytes)
    this.#sum += bytes - before
    if (this.#sum > this.#most) this.#relieve()
  }

  forget(receiver: Receiver): void {
    this.#sum -= this.#noted.get(receiver) ?? 0
    this.#noted.delete(receiver)
  }

  #count(): void {
    for (const receiver of this.#noted.keys()) {
      const { waitingBytes } = receiver
      this.#sum += waitingBytes - (this.#noted.get(receiver) as number)
      this.#noted.set(receiver, waitingBytes)
    }
  }

  #relieve(): void {
    this.#count()
    if (this.#sum <= this.#most) return
    const slowest = [...this.#noted].sort(([, one], [, other]) => other - one)
    for (const [receiver] of slowest) {
      // Room for more than the next frame: else each of them would have all looked through.
      if (this.#sum <= this.#most / 2) return
      this.forget(receiver)
      receiver.tooSlow()
    }
  }
}
