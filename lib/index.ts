export type { CloseCode, CloseInfo, CloseOptions } from './close-info'
export { Connection, type ConnectionEvents, type Forward } from './connection'
export { TokenError, type TokenErrorCode } from './errors'
export type {
  ConnectionOptions,
  DialOptions,
  ServerLimits,
  TokenClientOptions,
  TokenServerOptions
} from './options'
export type { Peer } from './peer'
export type { Refusal } from './reception'
export { TokenClient, type TokenClientEvents } from './token-client'
export { TokenServer, type TokenServerEvents } from './token-server'
export { TokenStream } from './token-stream'
