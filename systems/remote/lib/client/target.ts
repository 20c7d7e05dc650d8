import { invalid } from '../errors/remote-error'
import { keyId } from '../sealing/keys'
import type { SealingKey } from '../sealing/session'
import { isId } from '../wire/frame'
import { dialUrlOf, type InvitationText, parseInvitation } from '../wire/invitation'

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
  if (invitation !== undefined) return { ...parseTarget(dialUrlOf(invitation)), invitation }
  if (typeof text !== 'string' || !URL.canParse(text)) throw invalid('the URL', 'it is none')
  const url = new URL(text)
  if (url.hash !== '') throw invalid('the URL', 'what stands behind its # is no invitation')
  const device = url.searchParams.get('device') ?? ''
  if (device !== '' && !isId(device)) throw invalid('the URL', 'its device is no id')
  if (![...LINKS, ...WEB].includes(url.protocol))
    throw invalid('the URL', 'it begins with none of ws://, wss://, tokens:// and https://')
  url.search = ''
  return { kind: LINKS.includes(url.protocol) ? 'link' : 'once', url: url.href, device }
}

/** The key that an invitation carries. */
export function invitationKey({ secret, mode }: InvitationText): SealingKey {
  return { id: keyId(secret), mode: mode === 'shared' ? 'shared' : 'invitation', psk: secret }
}
