import type { TLSSocket } from 'node:tls'
import type { Connection } from '../connection/connection'
import type { TransportFacts } from '../connection/transport-facts'
import type { TokenError } from '../errors/token-error'
import { type ClockTimer, clock } from '../runtime/clock'
import type { Dial } from './dial'
import type { Dialler } from './dialler'

export interface MigrationHost {
  /** @returns the connection that takes over; null when the client uses the socket otherwise */
  reached(migration: Migration, socket: TLSSocket, facts: TransportFacts): Connection | null
  /** Nobody takes over. */
  failed(migration: Migration, error: TokenError): void
}

/**
 * Takes a client to another connection after GOAWAY, make before break: the old one is used until a server has accepted the
 * new one, and to its end when none does.
 *
 * ```
 *   GOAWAY ──delay──▶ dial ──▶ replacement, accepted ──▶ the old one closes in order ──▶ the new one takes over
 * ```
 */
export class Migration {
  /** True when the session moves to the new transport by resumption. */
  readonly movesSession: boolean
  readonly #host: MigrationHost
  readonly #dialler: Dialler
  #delay: ClockTimer | null
  #dial: Dial | null = null
  /** The connection that takes over; null before it is reached. */
  #replacement: Connection | null = null

  /** @param delay milliseconds until the dial */
  constructor(
    host: MigrationHost,
    dialler: Dialler,
    movesSession: boolean,
    goesElsewhere: boolean,
    delay: number
  ) {
    this.movesSession = movesSession
    this.#host = host
    this.#dialler = dialler
    this.#delay = clock.setTimeout(() => {
      this.#delay = null
      if (goesElsewhere) dialler.turn()
      this.#start()
    }, delay)
  }

  get dial(): Dial | null {
    return this.#dial
  }

  get replacement(): Connection | null {
    return this.#replacement
  }

  /** True from the dial on. */
  get hasBegun(): boolean {
    return this.#dial !== null || this.#replacement !== null
  }

  /** Dials no more, and leaves alone what is reached already. */
  abandon(): void {
    if (this.#delay !== null) clock.clearTimeout(this.#delay)
  }

  cancel(): void {
    this.abandon()
    this.#dial?.cancel()
    this.#replacement?.destroy()
  }

  #start(): void {
    try {
      this.#dial = this.#dialler.dial(0, {
        onSocket: (socket, facts) => {
          this.#replacement = this.#host.reached(this, socket, facts)
        },
        onFailed: error => this.#host.failed(this, error)
      })
    } catch (error) {
      this.#host.failed(this, error as TokenError)
    }
  }
}
