import type { Link } from '../link/link'
import { type Address, addressOf } from './address'
import { dialTokens } from './node-token-link'
import { dialWebSocket, type NodeDialOptions } from './node-web-socket'

/**
 * Opens links to `ws:`, `wss:` and `tokens:`.
 *
 * @throws (rejects) RemoteError `disconnected`, `invalid`
 */
export function dialNode(
  options: NodeDialOptions = {}
): (to: Address, signal?: AbortSignal) => Promise<Link> {
  return async (to, signal) => {
    const { scheme, host, port, webSocket } = addressOf(to)
    return scheme === 'tokens'
      ? await dialTokens({ host, port }, options, signal)
      : await dialWebSocket(webSocket, options, signal)
  }
}
