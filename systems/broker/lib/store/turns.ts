/** Lets steps of many searches run one after another: many of them take longer, and delay others no more than one does. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#last.then(step)
    this.#last = result.catch(() => undefined)
    return result
  }
}
