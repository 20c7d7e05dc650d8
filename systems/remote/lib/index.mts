import door from './index.js'

/** The same for `import`, which can't see what stands on a class. */
export default door
export const { Client, KeyRing, RemoteError, Server } = door
export type Client = door.Client
export type KeyRing = door.KeyRing
export type RemoteError = door.RemoteError
export type Server = door.Server
export type {
  ClientOptions,
  ClientStatus,
  CommandContext,
  CommandRequest,
  EventDescription,
  FieldDescription,
  Handler,
  Handlers,
  HostOptions,
  KeyRingOptions,
  KnownState,
  LeaseNotice,
  Ran,
  RelayOptions,
  RemoteErrorCode,
  SendOptions,
  ServerOptions
} from './index.js'
