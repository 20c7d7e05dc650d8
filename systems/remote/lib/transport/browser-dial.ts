import { invalid, type RemoteError } from '../errors/remote-error'
import type { Link } from '../link/link'
import { type Address, addressOf } from './address'
import { unreachable } from './dial-error'
import { CONNECT_TIMEOUT, type LinkLimits } from './link-limits'
import { type WebSocketLike, WebSocketLink } from './web-socket-link'

export interface BrowserDialOptions {
  /** Default: the one that is there. */
  readonly WebSocket?: (new (url: string) => WebSocketLike) | undefined
  readonly limits?: Partial<LinkLimits> | undefined
  /** Milliseconds for the name, TCP, TLS and the greeting. Default 10,000. */
  readonly connectTimeout?: number | undefined
}

/**
 * Opens links to `ws:` and `wss:`, by a WebSocket as browsers have it.
 *
 * @throws (rejects) RemoteError `disconnected`, `invalid`
 */
export function dialBrowser(
  options: BrowserDialOptions = {}
): (to: Address, signal?: AbortSignal) => Promise<Link> {
  const { limits, connectTimeout = CONNECT_TIMEOUT } = options
  return async (to, signal) => {
    const { scheme, webSocket } = addressOf(to)
    if (scheme === 'tokens') throw invalid('the URL', 'a browser can not speak tokens://')
    if (signal?.aborted) throw unreachable('aborted')
    const WebSocket =
      options.WebSocket ?? (globalThis.WebSocket as unknown as new (url: string) => WebSocketLike)
    const socket = new WebSocket(webSocket)
    return await new Promise<Link>((resolve, reject) => {
      const stop = (error: RemoteError) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        socket.onopen = null
        socket.onclose = null
        socket.close()
        reject(error)
      }
      const abort = () => stop(unreachable('aborted'))
      const timer = setTimeout(() => stop(unreachable('connect-timeout')), connectTimeout)
      signal?.addEventListener('abort', abort, { once: true })
      // A browser says to nobody why it could not connect.
      socket.onerror = () => {}
      socket.onclose = () => stop(unreachable('unreachable'))
      socket.onopen = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        resolve(new WebSocketLink(socket, limits))
      }
    })
  }
}
