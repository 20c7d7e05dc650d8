import { fromBase64url } from '../encoding/base64url'
import { fieldOf } from '../encoding/json'
import { isId } from '../wire/frame'

/** All that a device knows of keys, as it lies in a file. Bytes are base64url; times are milliseconds since 1970. */
export interface KeyState {
  readonly version: 1
  /** The static key pair, raw. */
  readonly device: { readonly privateKey: string; readonly publicKey: string }
  shared: SharedRecord
  /** Where phones reach the device, for invitations. */
  address?: string
  invitations: InvitationRecord[]
  phones: PhoneRecord[]
}

export interface KeyRecord {
  readonly id: string
  readonly psk: string
  /** SHA-256 of its admission tag, which a relay may know. */
  readonly tagHash: string
}

export interface SharedRecord extends KeyRecord {
  /** `plain`: the key is empty. */
  readonly mode: 'shared' | 'plain'
}

/** What a phone may do, and for how long. */
export interface Scope {
  /** Events it may send; `lamp.*` stands for all that begin with `lamp.`. Undefined: all. */
  readonly events?: readonly string[] | undefined
  /** Undefined: without an end. */
  readonly until?: number | undefined
}

export interface InvitationRecord extends KeyRecord {
  readonly endsAt: number
  /** What the owner calls whoever will come; undefined: as the phone calls itself. */
  readonly name?: string | undefined
  readonly scope: Scope
  /** Whether the owner is asked before the phone counts. */
  readonly asks: boolean
  /** The code that stands for it, and what it stands for. */
  readonly coded?: { readonly code: string; readonly address: string }
  /** The phone that came first, and what it and the device said. */
  claim?: Claim | undefined
}

export interface Claim {
  /** The encapsulated secret of the phone's exchange: it tells this phone's tries from those of any other. */
  readonly enc: string
  /** SHA-256 of the phone's number. */
  readonly commit: string
  /** The device's number. */
  readonly nonce: string
  readonly name: string
  /** The phone that came of it. */
  readonly phone?: string | undefined
}

export interface PhoneRecord extends KeyRecord {
  readonly name: string
  readonly scope: Scope
  readonly pairedAt: number
  isApproved: boolean
  /** To compare with those on the phone, until it is approved. */
  words?: string | undefined
  /** Undefined: never yet. */
  lastSeen?: number | undefined
  /** The id of the one that it came with. */
  readonly invitation?: string | undefined
}

export function encodeKeyState(state: KeyState): string {
  return `${JSON.stringify(state, null, 2)}\n`
}

/** @throws Error that says what is wrong, without any of the text */
export function decodeKeyState(text: string): KeyState {
  let state: unknown
  try {
    state = JSON.parse(text)
  } catch {
    throw new Error('it is no JSON')
  }
  if (fieldOf(state, 'version') !== 1) throw new Error('its version is not 1')
  const device = fieldOf(state, 'device')
  if (!isKey(fieldOf(device, 'privateKey')) || !isKey(fieldOf(device, 'publicKey')))
    throw new Error('its key pair is incomplete')
  const shared = fieldOf(state, 'shared')
  if (!(isRecord(shared) || fieldOf(shared, 'mode') === 'plain'))
    throw new Error('its shared key is incomplete')
  for (const list of ['invitations', 'phones']) {
    const records = fieldOf(state, list)
    if (!Array.isArray(records) || !records.every(record => isRecord(record) && isScope(record)))
      throw new Error(`its ${list} are incomplete`)
  }
  return state as KeyState
}

function isKey(value: unknown): boolean {
  return typeof value === 'string' && fromBase64url(value)?.length === 32
}

function isRecord(record: unknown): boolean {
  const id = fieldOf(record, 'id')
  return (
    typeof id === 'string' && isId(id) && isKey(fieldOf(record, 'psk')) && isKey(fieldOf(record, 'tagHash'))
  )
}

/** A scope that can't be read must not become none. */
function isScope(record: unknown): boolean {
  const scope = fieldOf(record, 'scope')
  const [events, until] = [fieldOf(scope, 'events'), fieldOf(scope, 'until')]
  if (typeof scope !== 'object' || scope === null) return false
  if (!(until === undefined || typeof until === 'number')) return false
  return events === undefined || (Array.isArray(events) && events.every(event => typeof event === 'string'))
}

/** 32 bytes of a record. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return fromBase64url(text) ?? new Uint8Array()
}
