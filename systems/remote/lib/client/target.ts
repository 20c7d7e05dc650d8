import { toBase64url } from '../encoding/base64url'
import { invalid } from '../errors/remote-error'
import { textKey } from '../sealing/keys'
import type { SealingKey } from '../sealing/session'
import { isId } from '../wire/frame'
import { type InvitationText, parseInvitation } from '../wire/invitation'

/** Where a device is, as a URL says it. */
export interface Target {
  /** `link`: a connection is kept. `once`: each request goes by itself, over HTTPS. */
  readonly kind: 'link' | 'once'
  /** To be dialled: without a query and without a fragment. */
  readonly url: string
  /** '' when the URL names none: whoever answers there is the device. */
  readonly device: string
  readonly invitation?: InvitationText
}

const LINKS = ['ws:', 'wss:', 'tokens:']
const WEB = ['https:', 'http:']

/** A URL of an invitation: what it says is the device's, its static key included. @throws RemoteError `invalid` */
export function parseTarget(text: string): Target {
  const invitation = parseInvitation(text)
  if (invitation !== undefined) {
    const { address, device } = invitation
    const path = address.replace(/^http/, 'ws')
    return { kind: 'link', url: path, device, invitation }
  }
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

/** The key that an invitation carries. */
export async function invitationKey({ secret, mode }: InvitationText): Promise<SealingKey> {
  const key = await textKey(toBase64url(secret), '', () => Promise.reject(new Error('no text needs it')))
  return mode === 'shared' ? key : { ...key, mode: 'invitation' }
}
