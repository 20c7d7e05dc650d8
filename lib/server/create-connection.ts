import type { TLSSocket } from 'node:tls'
import { Connection, type ConnectionContext } from '../connection/connection'
import type { Forward } from '../connection/connection-context'
import { giveTcpOptions } from '../connection/transport'
import type { Handover } from '../connection/transport-facts'
import type { CloseInfo } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import type { OptionsByProtocol, SessionLimits } from '../options/connection-options'
import { sayLastWord } from '../protocol/say-close'
import type { SessionLoss } from '../session/session'
import { identityOf, type Peer, peerFrom, presentedFingerprints } from '../tls/peer'
import type { ProtocolName } from '../wire/header'
import type { SessionLookup, SessionPart } from '../wire/hello'
import type { Admission } from './admission'
import type { LiveTrust } from './live-trust'
import type { PendingClient, PendingClients } from './pending-clients'
import type { ServerCredentials } from './server-credentials'
import type { ServerSettings } from './server-options'

/** A server, as its connections see it. */
export interface ConnectionHost {
  readonly settings: ServerSettings
  readonly connectionOptions: OptionsByProtocol
  readonly credentials: ServerCredentials
  readonly trust: LiveTrust
  readonly admission: Admission
  readonly forward: Forward
  /** Null when the server has closed. */
  pendingClients(): PendingClients | null
  opened(connection: Connection): void
  resumed(connection: Connection): void
  sessionLost(connection: Connection, loss: SessionLoss): void
  /** Nothing is left of it, its session included. */
  ended(client: PendingClient, connection: Connection, info: CloseInfo): void
}

/** Makes the connection of a client that is trusted, unless too many of its identity wait already. */
export function createConnection(
  host: ConnectionHost,
  client: PendingClient,
  socket: TLSSocket,
  protocol: ProtocolName
): void {
  const context = new ServerContext(host, client, socket, protocol)
  const pendingClients = host.pendingClients()
  client.peer = context.peer
  giveTcpOptions(socket, host.settings.tcp)
  const refusal = pendingClients?.introduce(client, identityOf(context.peer)) ?? null
  if (refusal === null) {
    new Connection(socket, host.connectionOptions[protocol], context)
    return
  }
  pendingClients?.refuse(client, refusal, () => {
    if (protocol === 'token/2') sayLastWord(socket, 'overloaded')
    else socket.destroy()
  })
}

/** What a connection asks of the server and tells it: a class, for a literal of closures costs each connection 1 KB. */
class ServerContext implements ConnectionContext {
  readonly forward: Forward
  readonly session: SessionLimits | undefined
  readonly greetingTimeout: number
  readonly peer: Peer | null
  readonly ownFingerprints: readonly Uint8Array[]
  readonly #host: ConnectionHost
  readonly #client: PendingClient

  constructor(host: ConnectionHost, client: PendingClient, socket: TLSSocket, protocol: ProtocolName) {
    const { certificate } = client
    this.#host = host
    this.#client = client
    this.forward = host.forward
    this.session = protocol === 'token/2' ? host.settings.session : undefined
    this.greetingTimeout = host.pendingClients()?.timeLeft(client) ?? 1
    this.peer = certificate === undefined ? null : peerFrom(certificate, socket.authorized)
    this.ownFingerprints = ownFingerprints(host, client, socket)
  }

  get authorizeTimeout(): number {
    return this.#host.settings.authorizeTimeout
  }

  get authorize(): ConnectionContext['authorize'] {
    const { authorize } = this.#host.settings.policies
    return authorize && ((connection, signal) => authorize(this.#peerNow(connection), connection, signal))
  }

  /** Also the socket says what is true now, and not at the handshake. */
  #peerNow({ socket, peer }: Connection): Peer | null {
    const isAuthorized = this.#host.trust.judge(this.#client, socket as TLSSocket) === null
    return peer === null || peer.isAuthorized === isAuthorized
      ? peer
      : Object.freeze({ ...peer, isAuthorized })
  }

  admit(candidate: Connection, request: SessionPart | null): TokenError | SessionLookup | null {
    return this.#host.admission.admit(this.#host.pendingClients(), this.#client, candidate, request)
  }

  onOpen(opened: Connection): void {
    this.#host.opened(opened)
  }

  onRefused(error: TokenError): void {
    this.#host.pendingClients()?.refuse(this.#client, error)
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

  onSessionLost(loss: SessionLoss, lost: Connection): void {
    this.#host.sessionLost(lost, loss)
  }
}

/** Also that of an SNICallback, and the one from before a reload that came between handshake and HELLO. */
function ownFingerprints(
  host: ConnectionHost,
  client: PendingClient,
  socket: TLSSocket
): readonly Uint8Array[] {
  const { fingerprints } = host.credentials
  const isCertain = fingerprints.length > 0 && !host.settings.tls.SNICallback
  if (isCertain && host.trust.isCurrent(client)) return fingerprints
  return [...fingerprints, ...presentedFingerprints(socket)]
}
