import type { EventEmitter } from 'node:events'
import type { Connection } from '../connection/connection'
import type { UnconsumedTokens } from '../connection/consumer-watch'
import * as lives from '../connection/lives'
import type { CloseInfo } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { tell } from '../runtime/application-call'
import { Readiness, tellError } from '../runtime/readiness'
import type { SessionLoss } from '../session/session'
import type { Refusal } from './pending-clients'
import type { ExpiringCertificate } from './server-credentials'
import type { TokenServerEvents } from './server-events'

/** Tells what becomes of a server: its listeners, who waits for `ready`, and who watches the process. */
export class ServerReport {
  readonly #server: EventEmitter<TokenServerEvents>
  #ready = new Readiness()
  #closed!: Promise<CloseInfo>
  #resolveClosed!: (info: CloseInfo) => void

  constructor(server: EventEmitter<TokenServerEvents>) {
    this.#server = server
  }

  /** Settles when the server listens, or has closed before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** Settles when the server has closed; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#closed
  }

  /** `connect()` was called. */
  began(): void {
    this.#closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#ready = new Readiness()
  }

  listening(): void {
    this.#ready.succeed()
    lives.serverListening.tell(this.#server)
    tell(this.#server, 'connect')
  }

  refused(refusal: Refusal): void {
    lives.clientRefused.tell(this.#server, refusal)
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

  unconsumed(connection: Connection, waiting: UnconsumedTokens): void {
    tell(this.#server, 'unconsumed', waiting, connection)
  }

  dropped(count: number, connection: Connection): void {
    lives.tokensDropped.tell(connection, this.#server, count)
    tell(this.#server, 'dropped', count, connection)
  }

  handlerFailed(connection: Connection, error: unknown): void {
    tell(this.#server, 'handlerError', error, connection)
  }

  broken(error: TokenError, connection: Connection): void {
    tell(this.#server, 'connectionError', error, connection)
  }

  expiring(certificate: ExpiringCertificate): void {
    tell(this.#server, 'certificate-expiring', certificate)
  }

  /** The server has closed. */
  ended(info: CloseInfo): void {
    const server = this.#server
    this.#resolveClosed(info)
    const { error } = info
    lives.serverClosed.tell(server, info)
    if (error !== null) tellError(server, error, this.#ready)
    else this.#ready.fail(closedBefore(), true)
    tell(server, 'close', info.hadError, info)
  }
}

function closedBefore(): TokenError {
  return new TokenError('ERR_ABORTED', 'Cannot listen: the server was closed before it listened')
}
