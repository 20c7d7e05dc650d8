import { Connection, type ConnectionContext } from '../connection/connection'
import type { Forward } from '../connection/connection-context'
import type { UnconsumedTokens } from '../connection/consumer-watch'
import { giveTcpOptions } from '../connection/transport'
import type { Handover } from '../connection/transport-facts'
import type { CloseInfo } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { OptionsByProtocol, SessionLimits } from '../options/connection-options'
import type { SessionLoss } from '../session/session'
import { identityOf, ownFingerprints, type Peer, peerFrom } from '../tls/peer'
import type { ProtocolName } from '../wire/header'
import type { SessionLookup, SessionPart } from '../wire/hello'
import type { Admission } from './admission'
import type { LiveTrust } from './live-trust'
import type { PendingClients, SecuredClient } from './pending-clients'
import type { ServerCredentials } from './server-credentials'
import type { ServerSettings } from './server-options'

/** A server, as its connections see it. */
export interface ConnectionHost {
  readonly server: object
  readonly settings: ServerSettings
  readonly connectionOptions: OptionsByProtocol
  readonly credentials: ServerCredentials
  readonly trust: LiveTrust
  readonly admission: Admission
  readonly pendingClients: PendingClients
  readonly forward: Forward
  opened(connection: Connection): void
  resumed(connection: Connection): void
  handlerFailed(connection: Connection, error: unknown): void
  sessionLost(connection: Connection, loss: SessionLoss): void
  unconsumed(connection: Connection, waiting: UnconsumedTokens): void
  /** The connection is over, and so is its session. */
  ended(client: SecuredClient, connection: Connection, info: CloseInfo): void
}

/** Makes the connection of a client that may greet, unless too many of its identity wait already. */
export function createConnection(host: ConnectionHost, client: SecuredClient, protocol: ProtocolName): void {
  const { socket, certificate } = client
  client.peer = peerFrom(certificate, socket.authorized)
  giveTcpOptions(socket, host.settings.tcp)
  const refusal = host.pendingClients.introduce(client, identityOf(client.peer))
  if (refusal !== null) {
    host.pendingClients.reject(client, refusal)
    return
  }
  const context = new ServerContext(host, client, protocol)
  client.connection = new Connection(socket, host.connectionOptions[protocol], context)
}

/** What a connection asks of its server. It is a class because a literal of closures costs each connection 1 KB. */
class ServerContext implements ConnectionContext {
  readonly forward: Forward
  readonly session: SessionLimits | undefined
  readonly greetingTimeout: number
  readonly ownFingerprints: readonly Uint8Array[]
  readonly #host: ConnectionHost
  readonly #client: SecuredClient

  constructor(host: ConnectionHost, client: SecuredClient, protocol: ProtocolName) {
    this.#host = host
    this.#client = client
    this.forward = host.forward
    this.session = protocol === 'token/2' ? host.settings.session : undefined
    this.greetingTimeout = host.pendingClients.takeTime(client)
    // An SNICallback may have chosen another certificate, and a reload may have come between handshake and HELLO.
    const mayDiffer = host.settings.tls.SNICallback !== undefined || !host.trust.isCurrent(client)
    this.ownFingerprints = ownFingerprints(client.socket, host.credentials.fingerprints, mayDiffer)
  }

  get owner(): object {
    return this.#host.server
  }

  get peer(): Peer | null {
    return this.#client.peer
  }

  get authorizeTimeout(): number {
    return this.#host.settings.authorizeTimeout
  }

  get authorize(): ConnectionContext['authorize'] {
    const { authorize } = this.#host.settings.policies
    return authorize && ((connection, signal) => authorize(this.#peerNow(), connection, signal))
  }

  /** The peer as it is trusted now, which may not be as at the handshake; its socket then says the same. */
  #peerNow(): Peer | null {
    const { peer } = this
    const isAuthorized = this.#host.trust.judge(this.#client) === null
    return peer === null || peer.isAuthorized === isAuthorized
      ? peer
      : Object.freeze({ ...peer, isAuthorized })
  }

  admit(candidate: Connection, request: SessionPart | null): TokenError | SessionLookup | null {
    return this.#host.admission.admit(this.#client, candidate, request)
  }

  onOpen(opened: Connection): void {
    this.#host.opened(opened)
  }

  onHandlerError(error: unknown, connection: Connection): void {
    this.#host.handlerFailed(connection, error)
  }

  onRefused(error: TokenError): void {
    this.#host.pendingClients.refused(this.#client, error)
  }

  onClose(info: CloseInfo, closed: Connection, successor: Handover | null): void {
    if (successor === null) this.#host.ended(this.#client, closed, info)
  }

  onDetached(_error: TokenError, detached: Connection): void {
    this.#host.admission.detached(detached)
  }

  onResumed(resumed: Connection): void {
    this.#host.resumed(resumed)
  }

  onUnconsumed(waiting: UnconsumedTokens, holder: Connection): void {
    this.#host.unconsumed(holder, waiting)
  }

  onSessionLost(loss: SessionLoss, lost: Connection): void {
    this.#host.sessionLost(lost, loss)
  }
}
