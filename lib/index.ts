export type { AuthorizeAnswer } from './authorization'
export type { ClientPolicies, DialOptions, ServerAddress, TokenClientOptions } from './client-options'
export type { WireCloseCode } from './close-codes'
export type { CloseCode, CloseInfo, CloseOptions } from './close-info'
export { Connection } from './connection'
export type { ConnectionEvents, DeliverOptions } from './connection-context'
export type { ConnectionOptions, ProtocolOptions, SessionOptions } from './connection-options'
export type { DrainOptions } from './drain'
export { TokenError, type TokenErrorCode } from './errors'
export type { Goaway } from './goaway'
export type { IncomingToken } from './incoming-token'
export { byFingerprint, bySan, bySubject, type PeerMatcher, type SubjectAttributes } from './matchers'
export type { Credentials } from './own-certificate'
export type { Peer } from './peer'
export type { Refusal } from './reception'
export { type FullJitterOptions, fullJitter, type ReconnectCause, type ReconnectPolicy } from './reconnect'
export type { ExpiringCertificate } from './server-credentials'
export type {
  Authorize,
  OtherProtocol,
  ServerLimits,
  ServerPolicies,
  TokenServerOptions
} from './server-options'
export type { SessionLoss, SessionLossReason } from './session'
export { type Reconnecting, TokenClient, type TokenClientEvents } from './token-client'
export { TokenServer, type TokenServerEvents } from './token-server'
export { TokenStream } from './token-stream'
export type { ProtocolName } from './wire'
