import { type Connection, controlOf } from '../connection/connection'
import { TokenError } from '../errors/token-error'
import { nextTick } from '../runtime/event-loop'
import type { SessionLookup, SessionPart } from '../wire/hello'
import { SessionStore } from './session-store'

/** @returns why a connection may not have the transport of the client; null when it has it */
type AdmitTransport = (owner: Connection) => TokenError | null

/** Gives the transport of a client that comes back to the connection that waits for it. */
export class ServerSessions extends SessionStore<Connection> {
  /**
   * Decides on a client that has been authorized. When it resumes a session, the connection of that session has the
   * transport on return, and `candidate` is over.
   *
   * @returns why it is refused, or what became of the session it asked for
   */
  admit(
    candidate: Connection,
    request: SessionPart,
    identity: string,
    admitTransport: AdmitTransport
  ): TokenError | SessionLookup {
    const found = this.find(request, identity)
    if (found.is === 'outdated') return outdated()
    if (found.is === 'present' && canResume(found.owner)) {
      return this.#resume(candidate, found.owner, request, admitTransport)
    }
    const leaving = this.whoMakesRoom(identity)
    if (leaving === null) return tooMany()
    const refusal = admitTransport(candidate)
    if (refusal !== null) return refusal
    for (const connection of leaving) this.#evict(connection)
    const key = this.add(candidate, identity, request.generation)
    controlOf(candidate).session.begin(key, request.generation)
    return found.is === 'present' ? 'expired' : found.reason
  }

  /** Its listeners are told when the client that comes in has its place. */
  #evict(connection: Connection): void {
    this.remove(connection, true)
    nextTick(() => controlOf(connection).loseSession('evicted'))
  }

  /** A dial that is refused leaves the session and its transport as they were. */
  #resume(
    candidate: Connection,
    owner: Connection,
    request: SessionPart,
    admitTransport: AdmitTransport
  ): TokenError | 'resumed' {
    const { generation } = request
    const fault = controlOf(owner).session.faultOf(request, owner.tokensSent - owner.tokensUnsent)
    if (fault !== null) return fault
    const refusal = admitTransport(owner)
    if (refusal !== null) return refusal
    this.attached(owner, generation)
    controlOf(owner).session.advance(generation)
    const { socket, handshake, peer } = controlOf(candidate).handOver()
    controlOf(owner).attach(socket, { peer, greeted: handshake })
    return 'resumed'
  }
}

/** A session that is closing ends: one side has said so to the other. */
function canResume(connection: Connection): boolean {
  return connection.hasSession && (connection.isOpen || connection.isDetached)
}

function outdated(): TokenError {
  return new TokenError('ERR_REFUSED', 'Cannot resume a session: a newer dial has it', {
    closeCode: 'session-replaced'
  })
}

function tooMany(): TokenError {
  return new TokenError(
    'ERR_REFUSED',
    'Cannot begin a session: maxSessions or maxSessionsPerIdentity is reached, and all are in use',
    { closeCode: 'overloaded' }
  )
}
