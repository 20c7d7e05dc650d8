import type { Service } from '@token-server/service'
import type { Log } from '../core/log'

type Level = 'debug' | 'info' | 'warn' | 'error'
type Write = Service['log'][Level]

/** Lines before there is a log; further ones are dropped. */
const MOST_LINES = 100

/** The log of what is there before the service: lines wait for the service's log. */
export class EarlyLog implements Log {
  readonly debug = this.#writer('debug')
  readonly info = this.#writer('info')
  readonly warn = this.#writer('warn')
  readonly error = this.#writer('error')
  #log: Service['log'] | undefined
  readonly #waiting: ((log: Service['log']) => void)[] = []

  /** What waits goes out, and what comes from now on at once. */
  attach(log: Service['log']): void {
    this.#log = log
    for (const write of this.#waiting.splice(0)) write(log)
  }

  isLevelEnabled(level: string): boolean {
    return this.#log?.isLevelEnabled(level) ?? false
  }

  #writer(level: Level): Write {
    return ((...line: Parameters<Write>) => {
      if (this.#log !== undefined) this.#log[level](...line)
      else if (this.#waiting.length < MOST_LINES) this.#waiting.push(log => log[level](...line))
    }) as Write
  }
}
