import { FakeClock } from 'token-server/testing'
import { KeyRing } from '../../lib/keys/key-ring'
import type { KeyRingOptions } from '../../lib/keys/key-ring-options'
import { nodeSuite } from '../../lib/sealing/node-suite'
import { parseInvitation } from '../../lib/wire/invitation'

export const suite = nodeSuite()
export const ADDRESS = 'https://lamp.example:8443'

/** A key ring, with a clock that stands still. */
export async function openRing(options: Partial<KeyRingOptions> = {}) {
  const clock = new FakeClock()
  const ring = await KeyRing.open({ suite, clock, ...options })
  return { ring, clock }
}

/** Goes through an invitation as the device sees it. */
export async function addPhone(
  ring: KeyRing,
  options: { name?: string; events?: string[]; until?: number; asks?: boolean } = {}
): Promise<string> {
  const { id } = await ring.invite({ address: ADDRESS, asks: false, ...options })
  const enc = `enc of ${id}`
  await ring.claim(id, { enc, commit: 'c', nonce: 'n', name: 'own name' })
  const psk = crypto.getRandomValues(new Uint8Array(32))
  const phone = await ring.admit(id, enc, { id: `p${id}`, psk, words: 'four words of it' })
  return phone?.id ?? 'none'
}

/** The secret of an invitation, for a search. */
export function secretOf(url: string): string {
  return Buffer.from(parseInvitation(url)?.secret ?? []).toString('base64url')
}
