import { fromBase64url, toBase64url } from '../encoding/base64url'

/** How somebody who holds an invitation gets in. */
export type InvitationMode =
  /** The secret is the device's shared key: whoever has it is in. */
  | 'shared'
  /** The secret is good for one pairing, which gives the phone a key of its own. */
  | 'paired'

/** What a QR code says. */
export interface InvitationText {
  /** Where to dial: `https://host[:port]`, or an address of `ws:`, `wss:` or `tokens:`. Without a query and a fragment. */
  readonly address: string
  /** The device's id. Who reads an invitation checks that it is that of `publicKey` (`deviceIdOf`). */
  readonly device: string
  /** The device's static public key, 32 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>
  /** 32 bytes. */
  readonly secret: Uint8Array<ArrayBuffer>
  readonly mode: InvitationMode
}

const VERSION = '2'
/** Where a web server answers with the phone page. */
const PAGE_PATH = '/r'
/** Where it takes WebSockets. */
const LINK_PATH = '/remote'
const MAX_LENGTH = 2048
const PROTOCOLS = ['https:', 'http:', 'wss:', 'ws:', 'tokens:']

/** `https://host/r#v=2&d=…&p=…&k=…&m=…`: the secret stands in the fragment, which no browser sends to a server. */
export function formatInvitation({ address, device, publicKey, secret, mode }: InvitationText): string {
  const url = new URL(address)
  if (!PROTOCOLS.includes(url.protocol)) throw new Error('the address is of no protocol that can be dialled')
  if (isWeb(url) && !url.pathname.endsWith(PAGE_PATH))
    url.pathname = `${url.pathname.replace(/\/$/, '')}${PAGE_PATH}`
  url.search = ''
  url.hash = `v=${VERSION}&d=${device}&p=${toBase64url(publicKey)}&k=${toBase64url(secret)}&m=${mode}`
  return url.href
}

/**
 * @returns undefined for what is no invitation of this version: a field is missing, stands twice, or has the wrong size. Unknown
 * fields are let be.
 */
export function parseInvitation(text: string): InvitationText | undefined {
  if (typeof text !== 'string' || text.length > MAX_LENGTH || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const fields = new URLSearchParams(url.hash.slice(1))
  const fieldOf = (name: string) => (fields.getAll(name).length === 1 ? (fields.get(name) ?? '') : '')
  const [publicKey, secret] = [fromBase64url(fieldOf('p')), fromBase64url(fieldOf('k'))]
  const [device, mode] = [fieldOf('d'), fieldOf('m')]
  if (fieldOf('v') !== VERSION || !PROTOCOLS.includes(url.protocol)) return undefined
  if (publicKey?.length !== 32 || secret?.length !== 32 || !/^[\w-]{22}$/.test(device)) return undefined
  if (mode !== 'shared' && mode !== 'paired') return undefined
  if (isWeb(url) && url.pathname.endsWith(PAGE_PATH)) url.pathname = url.pathname.slice(0, -PAGE_PATH.length)
  url.hash = ''
  url.search = ''
  const address = url.pathname === '/' ? url.href.replace(/\/$/, '') : url.href
  return { address, device, publicKey, secret, mode }
}

/** Where a client connects: `wss://host[:port]/remote?device=…` for a web address, else the address itself with the device named. */
export function dialUrlOf({ address, device }: Pick<InvitationText, 'address' | 'device'>): string {
  const url = new URL(address.replace(/^http/, 'ws'))
  if (isWeb(new URL(address))) url.pathname = `${url.pathname.replace(/\/$/, '')}${LINK_PATH}`
  url.searchParams.set('device', device)
  return url.href
}

/** What a browser opens on the port of an address: `https://host[:port]`, of `ws:` `http://…`. */
export function webAddressOf(address: string): string {
  return address.replace(/^ws/, 'http').replace(/^tokens:/, 'https:')
}

function isWeb({ protocol }: URL): boolean {
  return protocol === 'https:' || protocol === 'http:'
}
