import { OnceCarrier } from '../client/once-carrier'
import { CLIENT_CHECKS, type ClientOptions } from '../client/options'
import { RemoteClient } from '../client/remote-client'
import { type Checks, checkOptions, isText } from '../options/check-options'
import { nodeScrypt } from '../sealing/node-scrypt'
import { nodeSuite } from '../sealing/node-suite'
import type { SealingKey } from '../sealing/session'
import { dialNode } from '../transport/node-dial'
import { onceNode } from '../transport/node-once'
import { DIAL_CHECKS, type NodeDialOptions } from '../transport/node-web-socket'

export interface NodeClientOptions extends ClientOptions, NodeDialOptions {
  /** Where `connect()` goes without a URL. Default `ws://localhost:8080`. */
  readonly url?: string | undefined
}

const DEFAULT_URL = 'ws://localhost:8080'

export const NODE_CLIENT_CHECKS: Checks<NodeClientOptions> = { ...CLIENT_CHECKS, ...DIAL_CHECKS, url: isText }

/** Asks a device, over `ws:`, `wss:`, `tokens:`, or by one request at a time over `https:`. */
export class Client extends RemoteClient {
  readonly #url: string

  /** @throws RemoteError `invalid` */
  constructor(options: NodeClientOptions = {}) {
    checkOptions(options, NODE_CLIENT_CHECKS)
    const { url = DEFAULT_URL, tls, limits, connectTimeout, ...rest } = options
    const dialling = { tls, limits, connectTimeout }
    super(
      {
        ...rest,
        connectTimeout,
        suite: nodeSuite(),
        scrypt: nodeScrypt,
        dial: dialNode(dialling),
        once: onceNode(dialling)
      },
      OnceCarrier
    )
    this.#url = url
  }

  override connect(url: string = this.#url, key?: string | SealingKey, retry?: boolean): Promise<void> {
    return super.connect(url, key, retry)
  }
}
