/** What somebody is. `KINDS` in words: the claim `kind` may hold each of them. */
export type IdentityKind = 'user' | 'device' | 'handler' | 'guest' | 'admin'

export const KINDS: readonly IdentityKind[] = ['user', 'device', 'handler', 'guest', 'admin']

/** Who a verified token speaks for. It is frozen. The README has the table of where each field is read from. */
export interface Identity {
  /** Never empty; well-formed Unicode without control characters, at most 256 characters. Only with `kind` it is unique. */
  readonly id: string
  readonly kind: IdentityKind
  /** The group, organization or company of the user. */
  readonly org?: string
  /** The user's level there. */
  readonly level?: number
  /** Of the handler or the device; else the claim `name`. */
  readonly name?: string
  /** Patterns of topics, `${id}` and `${org}` filled in. Without it the token says nothing of topics. */
  readonly publish?: readonly string[]
  readonly subscribe?: readonly string[]
  /** When the token ends, milliseconds since 1970. */
  readonly expiresAt: number
  /** When it was made, milliseconds since 1970. */
  readonly issuedAt?: number
  /** `iss` of the token. */
  readonly issuer?: string
  /** `jti` of the token. */
  readonly tokenId?: string
}
