import type { EventEmitter } from 'node:events'
import type { CloseInfo } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { tell } from '../runtime/application-call'
import { Readiness, tellError } from '../runtime/readiness'
import type { Reconnecting, TokenClientEvents } from './client-events'

/** What this side has decided itself (`close({ timeout })`, `destroy()`) is told by `close` alone. */
const OWN_DECISIONS: readonly string[] = ['ERR_CLOSE_TIMEOUT', 'ERR_ABORTED']

/** Tells what becomes of a client: its listeners, and who waits for `ready`. */
export class ClientReport {
  /** What has ended the client; null when it ended in order, and before. */
  error: TokenError | null = null
  readonly #client: EventEmitter<TokenClientEvents>
  #ready = new Readiness()

  constructor(client: EventEmitter<TokenClientEvents>) {
    this.#client = client
  }

  /** Settles when the client is accepted for the first time since `connect()`, or has closed before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** `connect()` was called. */
  began(): void {
    this.#ready = new Readiness()
    this.error = null
  }

  /** The server has accepted the client. */
  opened(event: 'connect' | 'resumed'): void {
    this.#ready.succeed()
    tell(this.#client, event)
  }

  /** The connection, or a dial, is lost, and the client goes on. */
  lost(info: CloseInfo): void {
    tell(this.#client, 'disconnect', Object.freeze(info))
  }

  waits(next: Reconnecting): void {
    tell(this.#client, 'reconnecting', Object.freeze(next))
  }

  closed(info: CloseInfo): void {
    const client = this.#client
    const { error } = info
    this.error = error
    if (error !== null && !OWN_DECISIONS.includes(error.code)) tellError(client, error, this.#ready)
    else this.#ready.fail(error ?? closedBefore(), true)
    tell(client, 'close', info.hadError, info)
  }
}

function closedBefore(): TokenError {
  return new TokenError(
    'ERR_ABORTED',
    'Cannot connect: the client was closed before the server had accepted it'
  )
}
