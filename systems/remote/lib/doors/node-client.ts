import type { ClientOptions } from '../client/options'
import { RemoteClient } from '../client/remote-client'
import { nodeScrypt } from '../sealing/node-scrypt'
import { nodeSuite } from '../sealing/node-suite'
import type { SealingKey } from '../sealing/session'
import { dialNode } from '../transport/node-dial'
import { onceNode } from '../transport/node-once'
import type { NodeDialOptions } from '../transport/node-web-socket'

export interface NodeClientOptions extends ClientOptions, NodeDialOptions {
  /** Where `connect()` goes without a URL. Default `ws://localhost:8080`. */
  readonly url?: string | undefined
}

const DEFAULT_URL = 'ws://localhost:8080'

/** Asks a device, over `ws:`, `wss:`, `tokens:`, or by one request at a time over `https:`. */
export class Client extends RemoteClient {
  readonly #url: string

  /** @throws RemoteError `invalid` */
  constructor(options: NodeClientOptions = {}) {
    const { url = DEFAULT_URL, tls, limits, connectTimeout, ...rest } = options
    const dialling = { tls, limits, connectTimeout }
    super({
      ...rest,
      suite: nodeSuite(),
      scrypt: nodeScrypt,
      dial: dialNode(dialling),
      once: onceNode(dialling)
    })
    this.#url = url
  }

  override connect(url: string = this.#url, key?: string | SealingKey, retry?: boolean): Promise<void> {
    return super.connect(url, key, retry)
  }
}
