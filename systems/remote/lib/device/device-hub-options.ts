import type { CipherSuite, KeyPair } from 'hpke'
import {
  type Checks,
  isAnything,
  isCount,
  isEither,
  isFlag,
  isFunction,
  isObject,
  isTexts,
  isTime,
  textUpTo,
  wholeNumber
} from '../options/check-options'
import type { OnceReplaysOptions } from '../sealing/once-replays'
import type { KeyMode, SealingKey } from '../sealing/session'
import type { Clock } from '../time/clock'
import { MAX_NAME_LENGTH } from '../wire/control'
import type { MemoryOptions } from './answer-memory'
import type { StateOptions } from './device-state'
import type { EventDescription } from './event-description'
import type { Handler } from './handler'

/** What a device needs to know of keys. A `KeyRing` is one. */
export interface HubKeys {
  readonly deviceKeys: KeyPair
  readonly deviceId: string
  find(id: string, mode: KeyMode): SealingKey | undefined
  /** @returns true, or a word that says why not */
  mayUse(keyId: string, event?: string): true | string
  /** What the owner calls the phone with this key. */
  nameOf(keyId: string): string | undefined
  touched(keyId: string): void
  on(event: 'revoked' | 'replaced', listener: (keyId: string) => void): unknown
  off(event: 'revoked' | 'replaced', listener: (keyId: string) => void): unknown
}

export interface DeviceHubOptions {
  readonly suite: CipherSuite
  readonly ring: HubKeys
  /** Gets every event that has no handler of its own. */
  readonly handler?: Handler | undefined
  /** By event. */
  readonly handlers?: Readonly<Record<string, Handler>> | ReadonlyMap<string, Handler> | undefined
  /** Instead of the two: asked for each command. */
  readonly handlerOf?: ((event: string) => Handler | undefined) | undefined
  /** At most 64 characters. */
  readonly name?: string | undefined
  /** What a page may show as buttons and forms; other events are taken, too. */
  readonly events?: Readonly<Record<string, EventDescription>> | undefined
  /** Events whose commands run beside others; true: all. Default: one command at a time. */
  readonly concurrent?: boolean | readonly string[] | undefined
  readonly state?: StateOptions | undefined
  /** Whether clients may watch what others are answered. Default false. */
  readonly watch?: boolean | undefined
  /** Commands that wait or run at once. Default 1,000. */
  readonly maxQueuedCommands?: number | undefined
  /**
   * Of those, commands of one client: a phone with a key of its own, through all of its connections, or a client object under the shared
   * key. Default: a quarter of `maxQueuedCommands`.
   */
  readonly maxQueuedPerClient?: number | undefined
  /** Milliseconds that a handler may take until its client is told that it failed, and the next command runs. Default 60,000. */
  readonly handlerTimeout?: number | undefined
  /** Of one answer. Default 1 MiB. */
  readonly maxMessageBytes?: number | undefined
  /** Milliseconds. Default 10 minutes. */
  readonly maxLeaseTime?: number | undefined
  readonly memory?: MemoryOptions | undefined
  readonly replays?: OnceReplaysOptions | undefined
  /** Told what a handler threw, for the log of the device; its client hears nothing of it. */
  readonly onHandlerError?: ((error: unknown, event: string) => void) | undefined
  readonly clock?: Clock | undefined
}

/** Of those that the owner of a device names. */
export const HUB_CHECKS: Checks<
  Omit<DeviceHubOptions, 'suite' | 'ring' | 'handler' | 'handlers' | 'handlerOf' | 'clock'>
> = {
  name: textUpTo(MAX_NAME_LENGTH),
  events: isObject,
  concurrent: isEither(isFlag, isTexts),
  state: { value: isAnything, rev: wholeNumber(0) },
  watch: isFlag,
  maxQueuedCommands: isCount,
  maxQueuedPerClient: isCount,
  handlerTimeout: isTime,
  maxMessageBytes: isCount,
  maxLeaseTime: isTime,
  memory: {
    maxClients: isCount,
    maxAnswers: isCount,
    maxLength: isCount,
    maxTotalLength: isCount,
    maxAge: isTime
  },
  replays: { maxAge: isTime, maxRequests: isCount },
  onHandlerError: isFunction
}
