import { type Connection, controlOf } from '../connection/connection'
import type { CloseInfo } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { ask } from '../runtime/application-call'
import { CountsByKey } from '../runtime/counts-by-key'
import { setImmediate } from '../runtime/event-loop'
import { identityOf, type Peer } from '../tls/peer'
import type { SessionLookup, SessionPart } from '../wire/hello'
import type { LiveTrust } from './live-trust'
import { PeerExpiry } from './peer-expiry'
import { type PendingClients, type SecuredClient, tooManyOfIdentity } from './pending-clients'
import type { ServerSettings } from './server-options'
import type { ServerReport } from './server-report'
import { ServerSessions } from './server-sessions'

/** Certificates that are checked again in one turn of the event loop: each may need a signature. */
const RECHECKS_A_TURN = 100

/**
 * Decides who becomes a connection of a server, by trust, limits and sessions, and ends it with its certificate.
 */
export class Admission {
  readonly #settings: ServerSettings
  readonly #trust: LiveTrust
  readonly #pendingClients: PendingClients
  readonly #connections = new Set<Connection>()
  readonly #expiry: PeerExpiry
  /** Counts those that have a transport: sessions that wait have limits of their own. */
  readonly #countByIdentity = new CountsByKey<Connection>()
  readonly #sessions: ServerSessions

  constructor(
    settings: ServerSettings,
    trust: LiveTrust,
    pendingClients: PendingClients,
    report: Pick<ServerReport, 'onPeerExpiring'>
  ) {
    this.#settings = settings
    this.#trust = trust
    this.#pendingClients = pendingClients
    this.#sessions = new ServerSessions(settings)
    this.#expiry = new PeerExpiry(settings.policies.expiryNoticeDays, (certificate, connection) =>
      report.onPeerExpiring(certificate, connection)
    )
  }

  /** The connections that are open, and those whose session waits for its client. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  /** The connections of clients that are not accepted yet, the oldest first. */
  candidates(): Iterable<Connection> {
    return this.#pendingClients.connections()
  }

  /** The connections whose session waits for its client, the one that has waited longest first. */
  waiting(): ReadonlySet<Connection> {
    return this.#sessions.waiting
  }

  /**
   * Decides on a client that has been authorized.
   *
   * @returns why it may not come in; or what became of the session it asked for, null for no session
   */
  admit(
    client: SecuredClient,
    candidate: Connection,
    request: SessionPart | null
  ): TokenError | SessionLookup | null {
    const refusal = this.#trust.refusalOf(client)
    if (refusal !== null) return refusal
    const admitTransport = (owner: Connection) => this.#admitTransport(client, owner, candidate.peer)
    const answer = this.#admit(candidate, request, admitTransport)
    // A session that is resumed has a connection already.
    if (answer instanceof TokenError || answer === 'resumed') return answer
    this.#connections.add(candidate)
    this.#endWithCertificate(candidate)
    return answer
  }

  resumed(connection: Connection): void {
    this.#endWithCertificate(connection)
  }

  detached(connection: Connection): void {
    this.#expiry.delete(connection)
    this.#countByIdentity.remove(connection)
    this.#sessions.detached(connection)
  }

  /** @returns false when it was never one of them */
  closed(connection: Connection, info: CloseInfo): boolean {
    if (!this.#connections.delete(connection)) return false
    this.#sessions.remove(connection, info.code === 'ERR_SESSION_LOST')
    this.#expiry.delete(connection)
    this.#countByIdentity.remove(connection)
    return true
  }

  /** Breaks the connections whose certificates are not trusted any more; in slices, for ten thousand signatures take a second. */
  recheck(left: Iterator<Connection> = [...this.#connections].values()): void {
    if (!this.#trust.isDemanded) return
    for (let checked = 0; checked < RECHECKS_A_TURN; checked++) {
      const { done, value: connection } = left.next()
      if (done) return
      // A client that comes back to its session is judged then.
      const error = connection.isDetached ? null : this.#trust.recheck(connection.socket)
      if (error !== null) controlOf(connection).fail(error)
    }
    setImmediate(() => this.recheck(left))
  }

  #admit(
    candidate: Connection,
    request: SessionPart | null,
    admitTransport: (owner: Connection) => TokenError | null
  ): TokenError | SessionLookup | null {
    if (request === null || this.#settings.session === undefined) return admitTransport(candidate)
    const identity = this.#sessionIdentityOf(candidate.peer)
    if (identity instanceof TokenError) return identity
    if (identity === null) return admitTransport(candidate)
    return this.#sessions.admit(candidate, request, identity, admitTransport)
  }

  /** @param owner the connection that the client belongs to if it may come in */
  #admitTransport(client: SecuredClient, owner: Connection, peer: Peer | null): TokenError | null {
    const identity = identityOf(peer)
    const { maxConnectionsPerIdentity } = this.#settings
    // The transport that this one replaces does not count beside it.
    if (identity !== null && this.#countByIdentity.ofOthers(identity, owner) >= maxConnectionsPerIdentity)
      return tooManyOfIdentity(maxConnectionsPerIdentity)
    const refusal = this.#pendingClients.admit(client)
    if (refusal !== null) return refusal
    if (identity === null) this.#countByIdentity.remove(owner)
    else this.#countByIdentity.add(owner, identity)
    return null
  }

  #sessionIdentityOf(peer: Peer | null): string | null | TokenError {
    const { sessionIdentity = anyIdentity } = this.#settings.policies
    const demand = 'Cannot accept the peer: sessionIdentity must give a string or null'
    return ask(() => sessionIdentity(peer), isIdentity, 'ERR_REFUSED', demand, { closeCode: 'refused' })
  }

  #endWithCertificate(connection: Connection): void {
    if (this.#trust.isDemanded) this.#expiry.set(connection)
  }
}

/** Peers without a certificate are all the same. */
function anyIdentity(peer: Peer | null): string {
  return identityOf(peer) ?? ''
}

function isIdentity(answer: unknown): answer is string | null {
  return typeof answer === 'string' || answer === null
}
