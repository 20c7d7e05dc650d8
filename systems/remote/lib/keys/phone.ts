import type { PhoneRecord, Scope } from './key-state'

/** Why a key may not do what was asked. A word of the reasons in docs/errors.md. */
export type Denial =
  /** The key is gone: revoked, or its time is over. */
  | 'unknown-key'
  /** The owner has not yet said yes to the phone. */
  | 'not-approved'
  /** The phone was not paired for this event. */
  | 'not-allowed'

/** A paired phone, as its device's owner sees it. */
export interface Phone {
  readonly id: string
  readonly name: string
  /** Undefined: all events. */
  readonly events?: readonly string[] | undefined
  /** Milliseconds since 1970; undefined: without an end. */
  readonly until?: number | undefined
  readonly pairedAt: number
  /** Undefined: it has never come. */
  readonly lastSeen?: number | undefined
  /** `waiting`: the owner has not yet said yes; `ended`: its time is over. */
  readonly state: 'waiting' | 'approved' | 'ended'
  /** The id of the invitation that it came with; undefined: an older version of the device has paired it. */
  readonly invitation?: string | undefined
  /** Of one that waits: to compare with those that the phone shows. */
  readonly words?: string | undefined
}

export function phoneOf(record: PhoneRecord, now: number): Phone {
  const { id, name, scope, pairedAt, lastSeen, isApproved, invitation, words } = record
  const state = hasEnded(scope, now) ? 'ended' : isApproved ? 'approved' : 'waiting'
  return {
    id,
    name,
    ...scope,
    pairedAt,
    lastSeen,
    state,
    invitation,
    words: state === 'waiting' ? words : undefined
  }
}

export function hasEnded({ until }: Scope, now: number): boolean {
  return until !== undefined && until <= now
}

/** `lamp.*` allows all that begins with `lamp.`; anything else allows itself. */
export function allows({ events }: Scope, event: string): boolean {
  if (events === undefined) return true
  return events.some(rule => (rule.endsWith('*') ? event.startsWith(rule.slice(0, -1)) : event === rule))
}

const MAX_NAME_LENGTH = 64
const MAX_EVENTS = 256
const MAX_EVENT_LENGTH = 256

/** A name that a stranger chose, fit for a terminal: no control characters, and nothing that turns the line round. */
export function cleanName(name: unknown): string {
  if (typeof name !== 'string') return ''
  const clean = name
    .slice(0, 4 * MAX_NAME_LENGTH)
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\s+/g, ' ')
  return [...clean.trim()].slice(0, MAX_NAME_LENGTH).join('').trim()
}

/** @throws Error that says what is wrong with it */
export function checkScope({ events, until }: Scope, now: number): void {
  if (until !== undefined && !(Number.isFinite(until) && until > now))
    throw new Error('its end is not to come')
  if (events === undefined) return
  if (events.length === 0 || events.length > MAX_EVENTS)
    throw new Error(`${events.length} events are not between 1 and ${MAX_EVENTS}`)
  if (!events.every(event => event !== '' && event.length <= MAX_EVENT_LENGTH))
    throw new Error(`an event has no name, or one of more than ${MAX_EVENT_LENGTH} characters`)
}
