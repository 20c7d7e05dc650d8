import { invalid } from '../errors/remote-error'

/** Where to dial. */
export interface Address {
  /** `ws:`, `wss:` or `tokens:`; a query and a fragment are not sent. */
  readonly url: string
}

export interface AddressParts {
  readonly scheme: 'ws' | 'wss' | 'tokens'
  readonly host: string
  readonly port: number
  /** The same as an address of a WebSocket. Of `tokens` empty. */
  readonly webSocket: string
}

/** Where the WebSocket is on a port of the web. */
export const WEB_SOCKET_PATH = '/remote'

/** @throws RemoteError `invalid` */
export function addressOf({ url }: Address): AddressParts {
  if (typeof url !== 'string' || !URL.canParse(url)) throw invalid('the URL', 'it is none')
  const { protocol, hostname, port, pathname, host } = new URL(url)
  const scheme = protocol.slice(0, -1)
  if (scheme !== 'ws' && scheme !== 'wss' && scheme !== 'tokens')
    throw invalid('the URL', 'it begins with neither ws:// nor wss:// nor tokens://')
  if (scheme === 'tokens' && port === '') throw invalid('the URL', 'tokens:// needs a port')
  const path = pathname === '/' || pathname === '' ? WEB_SOCKET_PATH : pathname
  return {
    scheme,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port),
    webSocket: scheme === 'tokens' ? '' : `${scheme}://${host}${path}`
  }
}
