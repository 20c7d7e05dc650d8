import type { EventEmitter } from 'node:events'
import type { Connection } from '../connection/connection'
import type { UnconsumedTokens } from '../connection/consumer-watch'
import * as lives from '../connection/lives'
import { CountsByCode, type Traffic, TrafficTotals } from '../connection/traffic-totals'
import type { CloseInfo } from '../errors/close-info'
import { tell } from '../runtime/application-call'
import { Lifetime } from '../runtime/lifetime'
import type { SessionLoss } from '../session/session'
import type { ExpiringCertificate, ExpiringList } from '../tls/expiry-notices'
import type { Refusal } from './pending-clients'
import type { TokenServerEvents } from './server-events'

/** What a server has counted since its construction. */
export interface ServerStats extends Traffic {
  /** Connections that were accepted. */
  readonly accepted: number
  /** Connections that are open, or whose session waits for its client. */
  readonly open: number
  /** Those of `open` whose session waits for its client. */
  readonly detached: number
  /** Clients between accept and acceptance. */
  readonly pending: number
  /** Clients that got no connection, by the code of the error. */
  readonly refused: Readonly<Record<string, number>>
  /** Connections that have closed, by the code of their end. */
  readonly closed: Readonly<Record<string, number>>
  /** Times that a session went on. */
  readonly resumed: number
  readonly sessionsLost: number
  /** Tokens that slow clients lost, with `slowConsumer: 'drop'`. */
  readonly tokensDropped: number
  /** Bytes in the queues of all connections. */
  readonly queuedBytes: number
}

/** Tells what becomes of a server: its listeners, who waits for `ready`, and who watches the process; and counts it. */
export class ServerReport {
  readonly life: Lifetime
  readonly #server: EventEmitter<TokenServerEvents>
  readonly #traffic = new TrafficTotals()
  readonly #refusedByCode = new CountsByCode()
  readonly #closedByCode = new CountsByCode()
  #accepted = 0
  #resumed = 0
  #sessionsLost = 0
  #tokensDropped = 0

  constructor(server: EventEmitter<TokenServerEvents>) {
    this.#server = server
    this.life = new Lifetime(server, 'Cannot listen: the server was closed before it listened')
  }

  stats(
    connections: ReadonlySet<Connection>,
    now: Pick<ServerStats, 'detached' | 'pending' | 'queuedBytes'>
  ): ServerStats {
    return Object.freeze({
      accepted: this.#accepted,
      open: connections.size,
      ...now,
      refused: this.#refusedByCode.counts,
      closed: this.#closedByCode.counts,
      resumed: this.#resumed,
      sessionsLost: this.#sessionsLost,
      tokensDropped: this.#tokensDropped,
      ...this.#traffic.with(connections)
    })
  }

  listening(): void {
    this.life.succeed()
    lives.serverListening.tell(this.#server)
    tell(this.#server, 'connect')
  }

  refused(refusal: Refusal): void {
    this.#refusedByCode.add(refusal.code)
    lives.clientRefused.tell(this.#server, refusal)
    tell(this.#server, 'refused', refusal)
  }

  opened(connection: Connection): void {
    this.#accepted++
    tell(this.#server, 'connection', connection)
  }

  resumed(connection: Connection): void {
    this.#resumed++
    tell(this.#server, 'resumed', connection)
  }

  sessionLost(connection: Connection, loss: SessionLoss): void {
    this.#sessionsLost++
    tell(this.#server, 'session-lost', loss, connection)
  }

  unconsumed(connection: Connection, waiting: UnconsumedTokens): void {
    tell(this.#server, 'unconsumed', waiting, connection)
  }

  dropped(count: number, connection: Connection): void {
    this.#tokensDropped += count
    lives.tokensDropped.tell(connection, this.#server, count)
    tell(this.#server, 'dropped', count, connection)
  }

  handlerFailed(connection: Connection, error: unknown): void {
    tell(this.#server, 'handlerError', error, connection)
  }

  /** A connection that was accepted has closed. */
  left({ code, error }: CloseInfo, connection: Connection): void {
    this.#closedByCode.add(code)
    this.#traffic.add(connection.stats)
    if (error !== null) tell(this.#server, 'connectionError', error, connection)
  }

  onCertificateExpiring(certificate: ExpiringCertificate): void {
    lives.serverCertificateExpiring.tell(this.#server, certificate)
    tell(this.#server, 'certificate-expiring', certificate)
  }

  onPeerExpiring(certificate: ExpiringCertificate, connection: Connection): void {
    lives.peerCertificateExpiring.tell(connection, this.#server, certificate)
    tell(this.#server, 'peer-certificate-expiring', certificate, connection)
  }

  onCrlExpiring(list: ExpiringList): void {
    lives.crlExpiring.tell(this.#server, list)
    tell(this.#server, 'crl-expiring', list)
  }

  /** The server has closed. */
  ended(info: CloseInfo): void {
    lives.serverClosed.tell(this.#server, info)
    this.life.end(info)
  }
}
