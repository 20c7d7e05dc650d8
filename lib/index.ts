export type { Reconnecting, TokenClientEvents } from './client/client-events'
export type { ClientPolicies, DialOptions, ServerAddress, TokenClientOptions } from './client/client-options'
export type { ClientStats } from './client/client-report'
export {
  type FullJitterOptions,
  fullJitter,
  type ReconnectCause,
  type ReconnectPolicy
} from './client/reconnect'
export { TokenClient } from './client/token-client'
export { Connection } from './connection/connection'
export type { ConnectionEvents, DeliverOptions, Handled, Handler } from './connection/connection-context'
export type { UnconsumedTokens } from './connection/consumer-watch'
export type { ConnectionStats, Traffic } from './connection/traffic-totals'
export type { WireCloseCode } from './errors/close-codes'
export type { CloseCode, CloseInfo, CloseOptions } from './errors/close-info'
export { type FateReason, TokenError, type TokenErrorCode } from './errors/token-error'
export type { ConnectionOptions, ProtocolOptions, SessionOptions } from './options/connection-options'
export type { HandleOptions } from './options/handle-options'
export type { AuthorizeAnswer } from './protocol/authorization'
export type { Goaway } from './protocol/goaway'
export type { IncomingToken } from './receiving/incoming-token'
export { TokenStream } from './receiving/token-stream'
export type { BroadcastOptions, BroadcastResult } from './server/broadcast'
export type { DrainOptions } from './server/drain'
export type { Refusal } from './server/pending-clients'
export type { TokenServerEvents } from './server/server-events'
export type {
  Authorize,
  OtherProtocol,
  ServerLimits,
  ServerPolicies,
  TokenServerOptions
} from './server/server-options'
export type { ServerStats } from './server/server-report'
export { TokenServer } from './server/token-server'
export type { SessionLoss, SessionLossReason } from './session/session'
export type { CredentialSources } from './tls/current-credentials'
export type { ExpiringCertificate, ExpiringList } from './tls/expiry-notices'
export { byFingerprint, bySan, bySubject, type PeerMatcher, type SubjectAttributes } from './tls/matchers'
export type { Peer } from './tls/peer'
export type { Credentials } from './tls/read-credentials'
export type { ProtocolName } from './wire/header'
