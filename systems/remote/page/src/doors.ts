import type { OncePost } from '../../lib/client/options'
import type { PairOptions } from '../../lib/client/pairing'
import { RemoteClient } from '../../lib/client/remote-client'
import type { ClientStatus } from '../../lib/client/status'
import { fromBase64url, toBase64url } from '../../lib/encoding/base64url'
import { keyId } from '../../lib/sealing/keys'
import type { SealingKey } from '../../lib/sealing/session'
import { createSuite } from '../../lib/sealing/suite'
import { webScrypt } from '../../lib/sealing/web-scrypt'
import { dialBrowser } from '../../lib/transport/browser-dial'
import { dialUrlOf, parseInvitation } from '../../lib/wire/invitation'
import type { DeviceRecord } from './records'

const suite = createSuite()
const dial = dialBrowser()

/** Whether this browser has the cipher suite. */
export function isAble(): Promise<boolean> {
  return suite.GenerateKeyPair().then(
    () => true,
    () => false
  )
}

export function createClient(once?: OncePost): RemoteClient {
  return new RemoteClient({ suite, dial, scrypt: webScrypt, once })
}

/** Connects for as long as the client lives, however often that fails. */
export function connect(client: RemoteClient, { url, key, mode }: DeviceRecord): Promise<void> {
  return client.connect(url, sealingKey(key, mode), true)
}

function sealingKey(key: string, mode: DeviceRecord['mode']): SealingKey {
  const psk = fromBase64url(key) ?? new Uint8Array()
  return { id: keyId(psk), mode, psk }
}

/** What was scanned, pasted or opened. */
export type Found =
  | { readonly kind: 'none' }
  /** The device is reached at another address than this page. */
  | { readonly kind: 'elsewhere'; readonly host: string }
  | { readonly kind: 'shared'; readonly record: DeviceRecord }
  | { readonly kind: 'paired'; readonly device: string; readonly text: string }

export function readInvitation(text: string): Found {
  const invitation = parseInvitation(text)
  if (invitation === undefined) return { kind: 'none' }
  const { origin, host } = new URL(text)
  if (origin !== location.origin) return { kind: 'elsewhere', host }
  const { device, mode, secret } = invitation
  if (mode === 'paired') return { kind: 'paired', device, text }
  const url = dialUrlOf(invitation)
  const key = toBase64url(secret)
  return { kind: 'shared', record: { id: device, name: nameOf(device), url, mode, key, addedAt: Date.now() } }
}

/** What a device is called until it says its name. */
export function nameOf(device: string): string {
  return device.slice(0, 6)
}

/** What a person was given: the link of a QR code, or a code to type. */
export type PairingSource = { readonly text: string } | { readonly code: string }

/**
 * Makes a key of this phone's own out of an invitation. Whether the owner of the device agrees is seen when the device is opened.
 *
 * @param name of this phone, for the owner to see
 * @throws (rejects) RemoteError
 */
export async function pair(source: PairingSource, name: string, signal: AbortSignal): Promise<DeviceRecord> {
  const client = createClient('code' in source ? await onceDial() : undefined)
  const done = new AbortController()
  try {
    return await new Promise<DeviceRecord>((resolve, reject) => {
      let words: string | undefined
      const options: PairOptions = {
        signal: AbortSignal.any([signal, done.signal]),
        onWords: all => {
          words = all
        },
        onKey: ({ device, url, psk }) =>
          resolve({
            id: device,
            name: client.deviceName || nameOf(device),
            url,
            mode: 'paired',
            key: psk,
            addedAt: Date.now(),
            ...(words !== undefined && { words })
          })
      }
      const run =
        'code' in source
          ? client.pairByCode(location.origin, source.code, name, options)
          : client.pair(source.text, name, options)
      run.catch(reject)
    })
  } finally {
    done.abort()
    client.close()
  }
}

/** Is needed for a code only. */
async function onceDial(): Promise<OncePost> {
  const { onceBrowser } = await import('../../lib/transport/browser-once')
  return onceBrowser()
}

export type { ClientStatus, RemoteClient }
