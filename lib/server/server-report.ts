import type { EventEmitter } from 'node:events'
import type { Connection } from '../connection/connection'
import type { CloseInfo } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { tell } from '../runtime/application-call'
import { Readiness, tellError } from '../runtime/readiness'
import type { SessionLoss } from '../session/session'
import type { Refusal } from './pending-clients'
import type { ExpiringCertificate } from './server-credentials'
import type { TokenServerEvents } from './server-events'

/** Tells what becomes of a server: its listeners, and who waits for `ready`. */
export class ServerReport {
  readonly #server: EventEmitter<TokenServerEvents>
  #ready = new Readiness()

  constructor(server: EventEmitter<TokenServerEvents>) {
    this.#server = server
  }

  /** Settles when the server listens, or has closed before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** `connect()` was called. */
  began(): void {
    this.#ready = new Readiness()
  }

  listening(): void {
    this.#ready.succeed()
    tell(this.#server, 'connect')
  }

  refused(refusal: Refusal): void {
    tell(this.#server, 'refused', refusal)
  }

  opened(connection: Connection): void {
    tell(this.#server, 'connection', connection)
  }

  resumed(connection: Connection): void {
    tell(this.#server, 'resumed', connection)
  }

  sessionLost(connection: Connection, loss: SessionLoss): void {
    tell(this.#server, 'session-lost', loss, connection)
  }

  dropped(count: number, connection: Connection): void {
    tell(this.#server, 'dropped', count, connection)
  }

  broken(error: TokenError, connection: Connection): void {
    tell(this.#server, 'connectionError', error, connection)
  }

  expiring(certificate: ExpiringCertificate): void {
    tell(this.#server, 'certificate-expiring', certificate)
  }

  closed(info: CloseInfo): void {
    const server = this.#server
    const { error } = info
    if (error !== null) tellError(server, error, this.#ready)
    else this.#ready.fail(closedBefore(), true)
    tell(server, 'close', info.hadError, info)
  }
}

function closedBefore(): TokenError {
  return new TokenError('ERR_ABORTED', 'Cannot listen: the server was closed before it listened')
}
