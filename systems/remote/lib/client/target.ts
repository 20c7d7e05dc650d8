import { invalid } from '../errors/remote-error'
import { isId } from '../wire/frame'

/** Where a device is, as a URL says it. */
export interface Target {
  /** `link`: a connection is kept. `once`: each request goes by itself, over HTTPS. */
  readonly kind: 'link' | 'once'
  /** To be dialled: without a query and without a fragment. */
  readonly url: string
  /** '' when the URL names none: whoever answers there is the device. */
  readonly device: string
}

const LINKS = ['ws:', 'wss:', 'tokens:']
const WEB = ['https:', 'http:']

/** @throws RemoteError `invalid` */
export function parseTarget(text: string): Target {
  if (!URL.canParse(text)) throw invalid('the URL', 'it is none')
  const url = new URL(text)
  const device = url.searchParams.get('device') ?? ''
  if (device !== '' && !isId(device)) throw invalid('the URL', 'its device is no id')
  if (![...LINKS, ...WEB].includes(url.protocol))
    throw invalid('the URL', 'it begins with none of ws://, wss://, tokens:// and https://')
  url.search = ''
  url.hash = ''
  return { kind: LINKS.includes(url.protocol) ? 'link' : 'once', url: url.href, device }
}
