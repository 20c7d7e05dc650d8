import { invalid } from '../errors/remote-error'
import type { Claim, InvitationRecord, KeyRecord, KeyState } from './key-state'
import { hasEnded } from './phone'

/** When phones were seen; and invitations whose time is over are dropped. One that was used stays until then, to say so. */
export function bringUpToDate(state: KeyState, seen: ReadonlyMap<string, number>, now: number): void {
  for (const phone of state.phones) phone.lastSeen = seen.get(phone.id) ?? phone.lastSeen
  state.invitations = state.invitations.filter(({ endsAt }) => endsAt > now)
}

/** One that was used makes room. */
export function addInvitation(state: KeyState, record: InvitationRecord, maxInvitations: number): void {
  const { invitations } = state
  if (invitations.length >= maxInvitations) {
    const used = invitations.findIndex(({ claim }) => claim?.phone !== undefined)
    if (used < 0) throw invalid('another invitation', `${maxInvitations} wait to be used`)
    invitations.splice(used, 1)
  }
  invitations.push(record)
}

/** What counts of an invitation, or a word that says why nothing does. */
export type Claimed = Claim | 'unknown-key' | 'used'

/** The first claim stands; the same again is answered as it was. @returns a word that says why not */
export function claimInvitation(state: KeyState, id: string, claim: Claim, now: number): Claimed {
  const invitation = openInvitation(state, id, now)
  if (invitation === undefined) return 'unknown-key'
  invitation.claim ??= claim
  const { enc, commit } = invitation.claim
  return enc === claim.enc && commit === claim.commit ? invitation.claim : 'used'
}

/** @returns the id of the phone that the invitation has made, now or before; undefined when the claim is not this one */
export function admitPhone(
  state: KeyState,
  invitationId: string,
  enc: string,
  { words, ...record }: KeyRecord & { readonly words: string },
  now: number,
  maxPhones: number
): string | undefined {
  const invitation = openInvitation(state, invitationId, now)
  const claim = invitation?.claim
  if (invitation === undefined || claim?.enc !== enc) return undefined
  if (claim.phone !== undefined) return claim.phone
  makeRoom(state, now, maxPhones)
  const { asks, scope } = invitation
  const name = invitation.name ?? (claim.name || 'a phone')
  const waits = asks ? { words } : {}
  state.phones.push({
    ...record,
    ...waits,
    name,
    scope,
    pairedAt: now,
    isApproved: !asks,
    invitation: invitationId
  })
  invitation.claim = { ...claim, phone: record.id }
  return record.id
}

/** @returns whether anything was there to be dropped */
export function dropKey(state: KeyState, id: string): boolean {
  const before = state.phones.length + state.invitations.length
  state.phones = state.phones.filter(phone => phone.id !== id)
  state.invitations = state.invitations.filter(({ id: own, claim }) => own !== id && claim?.phone !== id)
  return state.phones.length + state.invitations.length < before
}

export function approvePhone(state: KeyState, id: string, now: number): boolean {
  const phone = state.phones.find(each => each.id === id && !each.isApproved)
  if (phone === undefined || hasEnded(phone.scope, now)) return false
  phone.isApproved = true
  delete phone.words
  return true
}

/** What has happened, apart from when phones were seen: two states with the same text mean the same. */
export function meaningOf(state: KeyState): string {
  return JSON.stringify(state, (key, value) => (key === 'lastSeen' ? undefined : value))
}

function openInvitation(state: KeyState, id: string, now: number): InvitationRecord | undefined {
  return state.invitations.find(each => each.id === id && each.endsAt > now)
}

function makeRoom(state: KeyState, now: number, maxPhones: number): void {
  if (state.phones.length < maxPhones) return
  state.phones = state.phones.filter(({ scope }) => !hasEnded(scope, now))
  if (state.phones.length >= maxPhones)
    throw invalid('another phone', `there are ${maxPhones}; revoke one of them`)
}
