import { RemoteClient } from '../../lib/client/remote-client'
import type { ClientStatus } from '../../lib/client/status'
import { fromBase64url, toBase64url } from '../../lib/encoding/base64url'
import { invalid } from '../../lib/errors/remote-error'
import { keyId } from '../../lib/sealing/keys'
import type { SealingKey } from '../../lib/sealing/session'
import { createSuite } from '../../lib/sealing/suite'
import { dialBrowser } from '../../lib/transport/browser-dial'
import { dialUrlOf, parseInvitation } from '../../lib/wire/invitation'
import type { DeviceRecord } from './records'

const suite = createSuite()
const dial = dialBrowser()

/** Keys of this page are 32 bytes of chance, each: nothing is derived from words here. */
function scrypt(): Promise<never> {
  return Promise.reject(invalid('a passphrase', 'this page takes keys of QR codes only'))
}

/** Whether this browser has the cipher suite. */
export function isAble(): Promise<boolean> {
  return suite.GenerateKeyPair().then(
    () => true,
    () => false
  )
}

export function createClient(): RemoteClient {
  return new RemoteClient({ suite, dial, scrypt })
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

/**
 * Makes a key of this phone's own out of an invitation. Whether the owner of the device agrees is seen when the device is opened.
 *
 * @param name of this phone, for the owner to see
 * @throws (rejects) RemoteError
 */
export async function pair(text: string, name: string, signal: AbortSignal): Promise<DeviceRecord> {
  const client = createClient()
  const done = new AbortController()
  try {
    return await new Promise<DeviceRecord>((resolve, reject) => {
      let words: string | undefined
      const run = client.pair(text, name, {
        signal: AbortSignal.any([signal, done.signal]),
        onWords: all => {
          words = all
        },
        onKey: ({ device, url, psk }) =>
          resolve({
            id: device,
            name: nameOf(device),
            url,
            mode: 'paired',
            key: psk,
            addedAt: Date.now(),
            ...(words !== undefined && { words })
          })
      })
      run.catch(reject)
    })
  } finally {
    done.abort()
    client.close()
  }
}

export type { ClientStatus, RemoteClient }
