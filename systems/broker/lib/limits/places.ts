import type { Identity } from '@token-server/identity'
import { subjectOf } from '../authorization/subject'
import { type BrokerLimits, limitsOf } from './limits'

/** Open connections of all doors together, and those of each subject. */
export class Places {
  readonly #limits: BrokerLimits
  readonly #bySubject = new Map<string, number>()
  #open = 0

  constructor(limits: BrokerLimits) {
    this.#limits = limits
  }

  /** A connection that has said nothing. @returns why there is no place; undefined: it has one until it leaves */
  enter(): string | undefined {
    if (this.#open >= this.#limits.maxConnections) return `there are ${this.#open} connections, the bound`
    this.#open++
    return undefined
  }

  leave(): void {
    this.#open--
  }

  /** It has said who it is; likewise. @param replaces it goes on with a session of which another connection is closed for it */
  enterAs(identity: Identity, replaces: boolean): string | undefined {
    const subject = subjectOf(identity)
    const open = this.#bySubject.get(subject) ?? 0
    const { maxConnections } = limitsOf(identity, this.#limits)
    if (open >= maxConnections && !replaces) return `it has ${open} connections, bound ${maxConnections}`
    this.#bySubject.set(subject, open + 1)
    return undefined
  }

  leaveAs(identity: Identity): void {
    const subject = subjectOf(identity)
    const left = (this.#bySubject.get(subject) ?? 1) - 1
    if (left === 0) this.#bySubject.delete(subject)
    else this.#bySubject.set(subject, left)
  }
}
