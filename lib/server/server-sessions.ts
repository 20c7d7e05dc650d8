import { type Connection, controlOf } from '../connection/connection'
import { TokenError } from '../errors/token-error'
import { nextTick } from '../runtime/event-loop'
import type { SessionLookup, SessionPart } from '../wire/hello'
import { SessionStore } from './session-store'

/** What a server decides beside the session. */
export interface SessionAdmission {
  /** A connection that waits may have the transport. @returns why not, or null */
  admitTransport(owner: Connection): TokenError | null
  /** The connection may come in, with its transport. @returns why not, or null */
  admitConnection(): TokenError | null
}

/** Gives the transports of clients that come back to the connections that wait for them. */
export class ServerSessions extends SessionStore<Connection> {
  /**
   * Decides on a client that has been authorized. When it goes on with a session, the connection of that one has the
   * transport on return, and `candidate` is over.
   *
   * @returns why it is refused, or what became of the session it asked for
   */
  admit(
    candidate: Connection,
    request: SessionPart,
    identity: string,
    admission: SessionAdmission
  ): TokenError | SessionLookup {
    const found = this.find(request, identity)
    if (found.is === 'outdated') return outdated()
    if (found.is === 'present' && canResume(found.owner)) {
      return this.#resume(candidate, found.owner, request, admission)
    }
    const leaving = this.whoMakesRoom(identity)
    if (leaving === null) return tooMany()
    const refusal = admission.admitConnection()
    if (refusal !== null) return refusal
    for (const connection of leaving) this.#evict(connection)
    const key = this.add(candidate, identity, request.generation)
    controlOf(candidate).session.begin(key, request.generation)
    return found.is === 'present' ? 'expired' : found.reason
  }

  /** Its listeners hear of it when the client that comes in has its place. */
  #evict(connection: Connection): void {
    this.remove(connection, true)
    nextTick(() => controlOf(connection).loseSession('evicted'))
  }

  /** Nothing has happened to the session and its transport when the dial is refused. */
  #resume(
    candidate: Connection,
    owner: Connection,
    request: SessionPart,
    admission: SessionAdmission
  ): TokenError | 'resumed' {
    const { generation } = request
    const fault = controlOf(owner).session.faultOf(request, owner.tokensSent - owner.tokensUnsent)
    if (fault !== null) return fault
    const refusal = admission.admitTransport(owner)
    if (refusal !== null) return refusal
    this.attached(owner, generation)
    controlOf(owner).session.advance(generation)
    const { socket, handshake, peer } = controlOf(candidate).handOver()
    controlOf(owner).attach(socket, { peer, greeted: handshake })
    return 'resumed'
  }
}

/** One that is closing has told its client so, or was told by it, and ends. */
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
