import type { PairOptions as Pairing } from './client/pairing'
import { readPhoneKey as readKey, type PhoneKey as StoredKey } from './client/phone-key'
import type { SendOptions as Sending } from './client/request'
import type { LeaseNotice as Lease, KnownState as State, ClientStatus as Status } from './client/status'
import type * as declared from './device/event-description'
import type * as device from './device/handler'
import type { Approve as Approving } from './device/pairing'
import { Client as NodeClient, type NodeClientOptions } from './doors/node-client'
import {
  type Ran as DidRun,
  RemoteError as Failure,
  type RemoteErrorCode as FailureCode
} from './errors/remote-error'
import { KeyRing as Ring } from './keys/key-ring'
import type {
  Invitation as Invited,
  InvitationOptions as Inviting,
  KeyRingOptions as RingOptions
} from './keys/key-ring-options'
import type { Phone as PairedPhone } from './keys/phone'
import { qrAsGif as asGif, qrAsSvg as asSvg, qrForTerminal as forTerminal } from './keys/qr-code'
import { pageApp as servePage } from './server/page-app'
import * as serving from './server/server'
import type * as serverOptions from './server/server-options'
import * as relays from './server/start-relay'
import { askOnTerminal as askThere } from './server/terminal-approval'

/** `require('@token-server/remote')` is this class, and has all else that the package gives on it. */
class Server extends serving.Server {}

const itself = Server

// Values and types on a class: nothing else gives both.
namespace Server {
  export const Server = itself
  export type Server = InstanceType<typeof itself>
  export const Client = NodeClient
  export type Client = NodeClient
  export const RemoteError = Failure
  export type RemoteError = Failure
  export const KeyRing = Ring
  export type KeyRing = Ring
  export const askOnTerminal = askThere
  export const pageApp = servePage
  export const startRelay = relays.startRelay
  export const readPhoneKey = readKey
  export const qrForTerminal = forTerminal
  export const qrAsSvg = asSvg
  export const qrAsGif = asGif

  export type Approve = Approving
  export type ClientOptions = NodeClientOptions
  export type ClientStatus = Status
  export type CommandContext = device.CommandContext
  export type CommandRequest = device.CommandRequest
  export type EventDescription = declared.EventDescription
  export type FieldDescription = declared.FieldDescription
  export type Handler = device.Handler
  export type Handlers = serving.Handlers
  export type HostOptions = serverOptions.HostOptions
  export type Invitation = Invited
  export type InvitationOptions = Inviting
  export type KeyRingOptions = RingOptions
  export type KnownState = State
  export type LeaseNotice = Lease
  export type PairOptions = Pairing
  export type Phone = PairedPhone
  export type PhoneKey = StoredKey
  export type Ran = DidRun
  export type RelayOptions = serverOptions.RelayOptions
  export type RemoteErrorCode = FailureCode
  export type RunningRelay = relays.RunningRelay
  export type SendOptions = Sending
  export type ServerOptions = serverOptions.ServerOptions
  export type StartRelayOptions = relays.StartRelayOptions
}

export = Server
