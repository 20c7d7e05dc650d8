export interface StateOptions {
  /** Default null. */
  readonly value?: unknown
  /**
   * Of this value. Default: the milliseconds since 1970, so that a device that starts anew does not give a revision again that it had
   * given to another value before.
   */
  readonly rev?: number
}

/** The state document of a device: a value of JSON, and a number that grows with each change. */
export class DeviceState {
  #value: unknown
  #rev: number
  readonly #onChange: () => void

  constructor({ value = null, rev = Date.now() }: StateOptions, onChange: () => void = () => {}) {
    this.#value = value
    this.#rev = rev
    this.#onChange = onChange
  }

  get value(): unknown {
    return this.#value
  }

  get rev(): number {
    return this.#rev
  }

  /** @returns the new revision */
  set(value: unknown): number {
    this.#value = value
    this.#rev++
    this.#onChange()
    return this.#rev
  }
}
