import type { CloseInfo } from '../errors/close-info'
import type { TokenError } from '../errors/token-error'
import { Diagnostic } from '../runtime/diagnostic'
import type { SessionLoss } from '../session/session'
import type { ExpiringCertificate, ExpiringList } from '../tls/expiry-notices'
import type { UnconsumedTokens } from './consumer-watch'

/*
 * What is told of the lives of servers, clients and connections to whoever watches the process: docs/api.md has the table. The
 * owner of a connection is the server or the client that made it; null: none did.
 */

type Owner = object | null

// --- connections

export const connectionOpened = new Diagnostic('connection:open', (connection: object, owner: Owner) => ({
  connection,
  owner
}))

export const connectionDetached = new Diagnostic(
  'connection:detached',
  (connection: object, owner: Owner, error: TokenError) => ({ connection, owner, error })
)

export const connectionResumed = new Diagnostic('connection:resumed', (connection: object, owner: Owner) => ({
  connection,
  owner
}))

export const sessionLost = new Diagnostic(
  'connection:session-lost',
  (connection: object, owner: Owner, loss: SessionLoss) => ({ connection, owner, loss })
)

export const tokensUnconsumed = new Diagnostic(
  'connection:unconsumed',
  (connection: object, owner: Owner, waiting: UnconsumedTokens) => ({ connection, owner, waiting })
)

/** @param error whatever the handler has thrown */
export const handlerFailed = new Diagnostic(
  'connection:handler-error',
  (connection: object, owner: Owner, error: unknown) => ({ connection, owner, error })
)

export const connectionClosed = new Diagnostic(
  'connection:close',
  (connection: object, owner: Owner, info: CloseInfo) => ({ connection, owner, info })
)

// --- servers

export const serverListening = new Diagnostic('server:listening', (server: object) => ({ server }))

export const clientRefused = new Diagnostic('connection:refused', (server: object, refusal: object) => ({
  server,
  refusal
}))

export const tokensDropped = new Diagnostic(
  'connection:dropped',
  (connection: object, owner: Owner, count: number) => ({ connection, owner, count })
)

export const serverCertificateExpiring = new Diagnostic(
  'server:certificate-expiring',
  (server: object, certificate: ExpiringCertificate) => ({ server, certificate })
)

export const peerCertificateExpiring = new Diagnostic(
  'connection:certificate-expiring',
  (connection: object, owner: Owner, certificate: ExpiringCertificate) => ({ connection, owner, certificate })
)

export const crlExpiring = new Diagnostic('server:crl-expiring', (server: object, list: ExpiringList) => ({
  server,
  list
}))

export const serverClosed = new Diagnostic('server:close', (server: object, info: CloseInfo) => ({
  server,
  info
}))

// --- clients

export const clientDials = new Diagnostic('client:dial', (client: object, target: string) => ({
  client,
  target
}))

export const clientConnected = new Diagnostic('client:connect', (client: object) => ({ client }))

export const clientDisconnected = new Diagnostic('client:disconnect', (client: object, info: CloseInfo) => ({
  client,
  info
}))

export const clientReconnecting = new Diagnostic(
  'client:reconnecting',
  (client: object, next: { attempt: number; delay: number; error: TokenError | null }) => ({
    client,
    ...next
  })
)

export const clientCertificateExpiring = new Diagnostic(
  'client:certificate-expiring',
  (client: object, certificate: ExpiringCertificate) => ({ client, certificate })
)

export const clientClosed = new Diagnostic('client:close', (client: object, info: CloseInfo) => ({
  client,
  info
}))
