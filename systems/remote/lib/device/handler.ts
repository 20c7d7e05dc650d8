import type { DeviceState } from './device-state'

/** What a client asks for. */
export interface CommandRequest {
  /** 32 letters and digits. Asked again after a lost connection, it keeps its id; it never reaches a handler twice. */
  readonly requestId: string
  readonly event: string
  readonly payload: unknown
}

/** Who asks, as the device knows it. */
export interface CommandClient {
  /** Of the key that it has. */
  readonly keyId: string
  /** What the owner calls the phone with this key. */
  readonly name?: string
}

export interface CommandContext {
  readonly client: CommandClient
  /** Aborted when nobody waits for the answer any more, the key was revoked, or the handler has taken too long. */
  readonly signal: AbortSignal
  /** The state document of the device, which a handler may change. */
  readonly state: DeviceState
  /** Tells the client how far the work is. May be taken out of the context. What can't be sent is told to `onHandlerError`. */
  readonly progress: (value: unknown) => void
}

/**
 * Does what was asked; a promise is awaited. What it throws is told to the client as `handler-failed`, its words only when the error has
 * `expose: true`.
 */
export type Handler = (request: CommandRequest, context: CommandContext) => unknown
