/** Open, shut, or broken for good. Whoever waits for `opened` waits over any number of openings that were shut again. */
export class Gate<T> {
  #promise!: Promise<T>
  #resolve!: (value: T) => void
  #reject!: (error: Error) => void
  #state: 'shut' | 'open' | 'broken' = 'shut'

  constructor() {
    this.#renew()
  }

  /** Resolves when it is open, at once if it is; rejects when it is broken. */
  get opened(): Promise<T> {
    return this.#promise
  }

  open(value: T): void {
    if (this.#state === 'open') this.shut()
    if (this.#state === 'broken') return
    this.#state = 'open'
    this.#resolve(value)
  }

  shut(): void {
    if (this.#state !== 'open') return
    this.#state = 'shut'
    this.#renew()
  }

  fail(error: Error): void {
    if (this.#state === 'open') this.shut()
    this.#state = 'broken'
    this.#reject(error)
  }

  #renew(): void {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#promise.catch(() => undefined) // whoever waits for it is told
  }
}
