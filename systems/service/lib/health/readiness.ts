import { EventEmitter } from 'node:events'

/** @returns null when all is well, else why not, in words that may be shown to whoever runs the service */
export type Check = () => string | null

export interface ReadinessEvents {
  /** The answer of `check()` has changed. Told by `set()` only. */
  change: [isReady: boolean]
}

/** Whether a service can do its work: what `/ready` answers, and a balancer goes by. */
export class Readiness extends EventEmitter<ReadinessEvents> {
  readonly #obstacles = new Map<string, string>()
  readonly #checks = new Map<string, Check>()

  /** Nothing is in the way. */
  get isReady(): boolean {
    return this.because().length === 0
  }

  /** What is in the way: a name and the reason of each. */
  because(): [name: string, why: string][] {
    const found = [...this.#obstacles]
    for (const [name, check] of this.#checks) {
      const why = answerOf(check)
      if (why !== null) found.push([name, why])
    }
    return found
  }

  /** @param why null takes the obstacle away */
  set(name: string, why: string | null): void {
    const before = this.isReady
    if (why === null) this.#obstacles.delete(name)
    else this.#obstacles.set(name, why)
    if (this.isReady !== before) this.emit('change', !before)
  }

  /** Is asked each time that somebody asks; it must answer at once. @returns call it to take the check away */
  add(name: string, check: Check): () => void {
    this.#checks.set(name, check)
    return () => {
      this.#checks.delete(name)
    }
  }
}

function answerOf(check: Check): string | null {
  try {
    return check()
  } catch {
    return 'its check failed'
  }
}
