import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'

/** Where a connection comes from, as its door knows it. */
export interface From {
  readonly address?: string
  readonly via?: 'tls' | 'wss' | 'tcp'
}

/** One connection of a client, from its first byte to its end. */
export class Connection {
  /** Eight hex digits, by chance: the log names the connection by it. */
  readonly id = randomBytes(4).toString('hex')
  readonly openedAt = Date.now()
  readonly from: From
  readonly stream: Duplex
  #endReason: string | undefined

  constructor(stream: Duplex, from: From) {
    this.stream = stream
    this.from = from
  }

  /** The first reason that was given. */
  get endReason(): string {
    return this.#endReason ?? 'the client closed it'
  }

  /** Says why the connection ends, where somebody else ends it. */
  because(reason: string): void {
    this.#endReason ??= reason
  }

  /** Cuts it. The will is sent. @returns false: it was cut before */
  cut(reason: string): boolean {
    if (this.stream.destroyed) return false
    this.because(reason)
    this.stream.destroy()
    return true
  }
}
