import type { KeyMode, SealingKey } from '../sealing/session'
import { bytesOf, type InvitationRecord, type KeyRecord, type KeyState, type PhoneRecord } from './key-state'
import { hasEnded } from './phone'

/** The keys of a state that open at some moment. */
export class KeyIndex {
  readonly keys: ReadonlyMap<string, SealingKey>
  readonly phones: ReadonlyMap<string, PhoneRecord>
  /** Base64url of SHA-256 of their admission tags. */
  readonly tagHashes: readonly string[]
  readonly #invitations: ReadonlyMap<string, InvitationRecord>

  constructor({ shared, invitations, phones }: KeyState, now: number) {
    const records: (readonly [KeyRecord, KeyMode])[] = [[shared, shared.mode]]
    const openInvitations = invitations.filter(({ endsAt }) => endsAt > now)
    const openPhones = phones.filter(({ scope }) => !hasEnded(scope, now))
    records.push(...openInvitations.map(record => [record, 'invitation'] as const))
    records.push(...openPhones.map(record => [record, 'paired'] as const))
    this.keys = new Map(records.map(([record, mode]) => [record.id, sealingKey(record, mode)]))
    this.phones = new Map(openPhones.map(phone => [phone.id, phone]))
    this.#invitations = new Map(openInvitations.map(invitation => [invitation.id, invitation]))
    this.tagHashes = records.filter(([, mode]) => mode !== 'plain').map(([{ tagHash }]) => tagHash)
  }

  /** Time passes after the index was made: a key that has ended since is none. */
  get(id: string, now: number): SealingKey | undefined {
    return this.#endOf(id) > now ? this.keys.get(id) : undefined
  }

  /** When the next of them ends; Infinity: never. */
  get nextEnd(): number {
    return [...this.keys.keys()].reduce(
      (next, id) => Math.min(next, this.#endOf(id)),
      Number.POSITIVE_INFINITY
    )
  }

  #endOf(id: string): number {
    return this.phones.get(id)?.scope.until ?? this.#invitations.get(id)?.endsAt ?? Number.POSITIVE_INFINITY
  }
}

export function sealingKey({ id, psk }: KeyRecord, mode: KeyMode): SealingKey {
  return { id, mode, psk: bytesOf(psk) }
}
