import { type DeviceHubOptions, HUB_CHECKS } from '../device/device-hub-options'
import type { DevicePairingOptions } from '../device/pairing'
import { KeyRing } from '../keys/key-ring'
import { KEY_RING_CHECKS, type KeyRingOptions } from '../keys/key-ring-options'
import {
  type Checks,
  checkOptions,
  isEither,
  isFlag,
  isFunction,
  isObject,
  isText,
  isTexts,
  milliseconds,
  only,
  wholeNumber
} from '../options/check-options'
import { SHORT_CODE_WORDS } from '../sealing/short-code-words'
import { LINK_LIMITS_CHECKS, type LinkLimits } from '../transport/link-limits'
import { DIAL_CHECKS, type DialTls } from '../transport/node-web-socket'
import type { HostListenerOptions } from './host-listener'
import { VISITOR_CHECKS } from './visitors'

export interface ServerOptions
  extends Omit<DeviceHubOptions, 'suite' | 'ring' | 'handler' | 'handlers' | 'handlerOf' | 'clock'>,
    Pick<DevicePairingOptions, 'approve' | 'language'> {
  /** The keys of the device: its own pair, the shared one, the phones. Default: new ones, in memory. */
  readonly keys?: Omit<KeyRingOptions, 'suite'> | KeyRing | undefined
  /** Whether '' may be the key: nothing is sealed then, and everybody on the way can read and change it. Default false. */
  readonly allowPlain?: boolean | undefined
  /**
   * Where phones reach the device, for invitations: `https://host[:port]`, or an address of `ws:`, `wss:` or `tokens:`. Default: that of
   * the relay it dials out to.
   */
  readonly address?: string | undefined
  readonly limits?: Partial<LinkLimits> | undefined
  /** Milliseconds that `close()` gives to what is under way. Default 5,000. */
  readonly closeTimeout?: number | undefined
}

export interface HostOptions extends Omit<HostListenerOptions, 'limits'> {
  /** Whether the phone page is served at `/r`. Default true. */
  readonly page?: boolean | undefined
}

export interface RelayOptions {
  /** Proves to the relay whose device it is; a function is called for each connection. */
  readonly jwt?: string | (() => string | Promise<string>) | undefined
  /** Of the dial: the authority of the relay's certificate, and one's own certificate for `tokens:`. */
  readonly tls?: DialTls | undefined
  /** Milliseconds for a dial. Default 10,000. */
  readonly connectTimeout?: number | undefined
}

export const SERVER_CHECKS: Checks<ServerOptions> = {
  ...HUB_CHECKS,
  keys: isObject,
  approve: isFunction,
  language: only(...Object.keys(SHORT_CODE_WORDS)),
  allowPlain: isFlag,
  address: isText,
  limits: LINK_LIMITS_CHECKS,
  closeTimeout: milliseconds(0)
}

export const HOST_CHECKS: Checks<HostOptions> = {
  port: wholeNumber(0, 65_535),
  host: isText,
  // It is looked at where it is used.
  tls: isObject,
  origins: isEither(only('*'), isTexts),
  ...VISITOR_CHECKS,
  page: isFlag
}

export const RELAY_CHECKS: Checks<RelayOptions> = {
  jwt: isEither(isText, isFunction),
  tls: DIAL_CHECKS.tls,
  connectTimeout: DIAL_CHECKS.connectTimeout
}

/** @throws RemoteError `invalid` */
export function checkServerOptions(options: ServerOptions): void {
  checkOptions(options, SERVER_CHECKS)
  const { keys } = options
  if (keys !== undefined && !(keys instanceof KeyRing)) checkOptions(keys, KEY_RING_CHECKS, 'keys')
}
