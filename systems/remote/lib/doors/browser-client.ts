import { OnceCarrier } from '../client/once-carrier'
import { CLIENT_CHECKS, type ClientOptions } from '../client/options'
import { RemoteClient } from '../client/remote-client'
import { type Checks, checkOptions, isFunction, isObject } from '../options/check-options'
import type { Scrypt } from '../sealing/keys'
import { type CipherSuite, createSuite } from '../sealing/suite'
import { webScrypt } from '../sealing/web-scrypt'
import { type BrowserDialOptions, dialBrowser } from '../transport/browser-dial'
import { type BrowserOnceOptions, onceBrowser } from '../transport/browser-once'
import { LINK_LIMITS_CHECKS } from '../transport/link-limits'

export interface BrowserClientOptions extends ClientOptions, BrowserDialOptions, BrowserOnceOptions {
  /** The cryptography, where there is no WebCrypto, as in React Native. Default: by WebCrypto. */
  readonly suite?: CipherSuite | undefined
  /** For keys that are words. Default: in JavaScript. */
  readonly scrypt?: Scrypt | undefined
}

export const BROWSER_CLIENT_CHECKS: Checks<BrowserClientOptions> = {
  ...CLIENT_CHECKS,
  WebSocket: isFunction,
  fetch: isFunction,
  limits: LINK_LIMITS_CHECKS,
  suite: isObject,
  scrypt: isFunction
}

/** Asks a device from a browser: over `ws:`, `wss:`, or by one request at a time over `https:`. */
export class Client extends RemoteClient {
  /** @throws RemoteError `invalid` */
  constructor(options: BrowserClientOptions = {}) {
    checkOptions(options, BROWSER_CLIENT_CHECKS)
    const { WebSocket, fetch, limits, connectTimeout, suite, scrypt, ...rest } = options
    super(
      {
        ...rest,
        connectTimeout,
        suite: suite ?? createSuite(),
        scrypt: scrypt ?? webScrypt,
        dial: dialBrowser({ WebSocket, limits, connectTimeout }),
        once: onceBrowser({ fetch, limits, connectTimeout })
      },
      OnceCarrier
    )
  }
}
