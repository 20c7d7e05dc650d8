import door from './index.js'

/** The same for `import`, which can't see what stands on a class. */
export default door
export const {
  Client,
  KeyRing,
  RemoteError,
  Server,
  askOnTerminal,
  pageApp,
  qrAsGif,
  qrAsSvg,
  qrForTerminal,
  readPhoneKey,
  startRelay
} = door
export type Client = door.Client
export type KeyRing = door.KeyRing
export type RemoteError = door.RemoteError
export type Server = door.Server
export type {
  Approve,
  ClientOptions,
  ClientStatus,
  CommandContext,
  CommandRequest,
  EventDescription,
  FieldDescription,
  Handler,
  Handlers,
  HostOptions,
  Invitation,
  InvitationOptions,
  KeyRingOptions,
  KnownState,
  LeaseNotice,
  PairOptions,
  Phone,
  PhoneKey,
  Ran,
  RelayOptions,
  RemoteErrorCode,
  RunningRelay,
  SendOptions,
  ServerOptions,
  StartRelayOptions
} from './index.js'
