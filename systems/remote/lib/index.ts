import type { SendOptions as Sending } from './client/request'
import type { LeaseNotice as Lease, KnownState as State, ClientStatus as Status } from './client/status'
import type * as declared from './device/event-description'
import type * as device from './device/handler'
import { Client as NodeClient, type NodeClientOptions } from './doors/node-client'
import {
  type Ran as DidRun,
  RemoteError as Failure,
  type RemoteErrorCode as FailureCode
} from './errors/remote-error'
import { KeyRing as Ring } from './keys/key-ring'
import type { KeyRingOptions as RingOptions } from './keys/key-ring-options'
import * as serving from './server/server'

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

  export type ClientOptions = NodeClientOptions
  export type ClientStatus = Status
  export type CommandContext = device.CommandContext
  export type CommandRequest = device.CommandRequest
  export type EventDescription = declared.EventDescription
  export type FieldDescription = declared.FieldDescription
  export type Handler = device.Handler
  export type Handlers = serving.Handlers
  export type HostOptions = serving.HostOptions
  export type KeyRingOptions = RingOptions
  export type KnownState = State
  export type LeaseNotice = Lease
  export type Ran = DidRun
  export type RelayOptions = serving.RelayOptions
  export type RemoteErrorCode = FailureCode
  export type SendOptions = Sending
  export type ServerOptions = serving.ServerOptions
}

export = Server
