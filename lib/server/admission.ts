import type { TLSSocket } from 'node:tls'
import { type Connection, controlOf } from '../connection/connection'
import type { CloseInfo } from '../errors/close-info'
import { TokenError } from '../errors/token-error'
import { certificateExpired, untrustedClient } from '../errors/trust-errors'
import { ask } from '../runtime/application-call'
import { setImmediate } from '../runtime/event-loop'
import { identityOf, type Peer } from '../tls/peer'
import type { SessionLookup, SessionPart } from '../wire/hello'
import { CertificateExpiry } from './certificate-expiry'
import { IdentityCounts } from './identity-counts'
import { demandsTrust, type LiveTrust } from './live-trust'
import { clientLeft, type PendingClient, type PendingClients, tooManyOfIdentity } from './pending-clients'
import type { ServerSettings } from './server-options'
import { ServerSessions } from './server-sessions'

/** Connections whose certificates are checked again in one turn of the event loop. */
const RECHECKS_A_TURN = 100

/**
 * The connections of a server: who may become one, by trust, limits and sessions, and how long its certificate lets it
 * be one.
 */
export class Admission {
  readonly #settings: ServerSettings
  readonly #trust: LiveTrust
  readonly #connections = new Set<Connection>()
  readonly #ends = new CertificateExpiry<Connection>(connection =>
    controlOf(connection).fail(certificateExpired('peer'))
  )
  /** Of those that have a transport: sessions that wait have limits of their own. */
  readonly #countByIdentity = new IdentityCounts<Connection>()
  readonly #sessions: ServerSessions | null

  constructor(settings: ServerSettings, trust: LiveTrust) {
    this.#settings = settings
    this.#trust = trust
    this.#sessions = settings.session === undefined ? null : new ServerSessions(settings)
  }

  /** Those that are open, and those whose session waits for its client. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  /** Connections whose session waits for its client. */
  get detachedCount(): number {
    return this.#sessions?.detachedCount ?? 0
  }

  /** The one that has waited longest for its client; null when none waits. */
  oldestDetached(): Connection | null {
    return this.#sessions?.oldestDetached() ?? null
  }

  /**
   * Decides on a client that has been authorized.
   *
   * @param pendingClients where it waits; null when the server has closed
   * @returns why it may not come in; or what became of the session it asked for, null for no session
   */
  admit(
    pendingClients: PendingClients | null,
    client: PendingClient,
    connection: Connection,
    request: SessionPart | null
  ): TokenError | SessionLookup | null {
    const failure = this.#trust.judge(client, connection.socket as TLSSocket)
    if (failure !== null && demandsTrust(this.#settings.tls))
      return untrustedClient(failure.code, failure.reason)
    const admitTransport = (owner: Connection) => {
      return pendingClients === null
        ? clientLeft()
        : this.#admitTransport(pendingClients, client, owner, connection.peer)
    }
    const admitConnection = () => this.#admitNew(connection, admitTransport)
    if (request === null || this.#sessions === null) return admitConnection()
    const identity = this.#sessionIdentityOf(connection.peer)
    if (identity instanceof TokenError) return identity
    if (identity === null) return admitConnection()
    return this.#sessions.admit(connection, request, identity, { admitTransport, admitConnection })
  }

  /** A session goes on with another transport. */
  resumed(connection: Connection): void {
    this.#endWithCertificate(connection)
  }

  /** A connection with a session has lost its transport. */
  detached(connection: Connection): void {
    this.#ends.delete(connection)
    this.#countByIdentity.remove(connection)
    this.#sessions?.detached(connection)
  }

  /** @returns false when it was never one of them */
  closed(connection: Connection, info: CloseInfo): boolean {
    if (!this.#connections.delete(connection)) return false
    this.#sessions?.closed(connection, info.code === 'ERR_SESSION_LOST')
    this.#ends.delete(connection)
    this.#countByIdentity.remove(connection)
    return true
  }

  /** Breaks those whose certificates are not trusted any more; in slices, for ten thousand signatures are a second of work. */
  recheck(left: Iterator<Connection> = [...this.#connections].values()): void {
    if (!demandsTrust(this.#settings.tls)) return
    for (let checked = 0; checked < RECHECKS_A_TURN; checked++) {
      const { done, value: connection } = left.next()
      if (done) return
      // Who comes back to a session is judged then.
      if (connection.isDetached) continue
      const failure = this.#trust.check(connection.socket)
      if (failure !== null) controlOf(connection).fail(untrustedClient(failure.code, failure.reason))
    }
    setImmediate(() => this.recheck(left))
  }

  #admitNew(
    connection: Connection,
    admitTransport: (owner: Connection) => TokenError | null
  ): TokenError | null {
    const refusal = admitTransport(connection)
    if (refusal !== null) return refusal
    this.#connections.add(connection)
    this.#endWithCertificate(connection)
    return null
  }

  /** @param owner whom the client belongs to if it may come in */
  #admitTransport(
    pendingClients: PendingClients,
    client: PendingClient,
    owner: Connection,
    peer: Peer | null
  ): TokenError | null {
    const identity = identityOf(peer)
    const { maxConnectionsPerIdentity } = this.#settings
    // The transport that it replaces does not count beside it.
    if (identity !== null && this.#countByIdentity.ofOthers(identity, owner) >= maxConnectionsPerIdentity)
      return tooManyOfIdentity(maxConnectionsPerIdentity)
    const refusal = pendingClients.admit(client)
    if (refusal !== null) return refusal
    if (identity === null) this.#countByIdentity.remove(owner)
    else this.#countByIdentity.add(owner, identity)
    return null
  }

  #sessionIdentityOf(peer: Peer | null): string | null | TokenError {
    const { sessionIdentity = anyIdentity } = this.#settings.policies
    try {
      return ask(() => sessionIdentity(peer), isIdentity, noIdentity)
    } catch (error) {
      return error as TokenError
    }
  }

  /** A connection lives no longer than the certificate that opened it. */
  #endWithCertificate(connection: Connection): void {
    if (connection.peer === null || !demandsTrust(this.#settings.tls)) return
    this.#ends.set(connection, connection.peer.validTo)
  }
}

/** Peers without a certificate are all the same. */
function anyIdentity(peer: Peer | null): string {
  return identityOf(peer) ?? ''
}

function isIdentity(answer: unknown): answer is string | null {
  return typeof answer === 'string' || answer === null
}

function noIdentity(why: string, options?: ErrorOptions): TokenError {
  const message = `Cannot accept the peer: sessionIdentity must give a string or null, and ${why}`
  return new TokenError('ERR_REFUSED', message, { closeCode: 'refused', ...options })
}
