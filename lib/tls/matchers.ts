import { isIPv6, SocketAddress } from 'node:net'
import { TokenError } from '../errors/token-error'
import type { Peer } from './peer'
import { parseDistinguishedName } from './peer-names'

/** Says whether a peer is one of those it was made for; usable as `authorize`. */
export type PeerMatcher = (peer: Peer | null) => boolean

/** Every attribute of a subject, by the short name that Node prints; all values of one that stands there twice. */
export type SubjectAttributes = Readonly<Record<string, string | readonly string[]>>

/**
 * Matches the certificates with these SHA-256 fingerprints, 64 hex digits with or without colons, and no others, whoever has
 * signed them.
 *
 * @throws TokenError `ERR_OPTION` for none, and for what is no fingerprint
 */
export function byFingerprint(...sha256: readonly string[]): PeerMatcher {
  const wanted = new Set(listed('byFingerprint', sha256).map(fingerprint))
  return peer => peer !== null && wanted.has(fingerprint(peer.fingerprint))
}

/**
 * Matches trusted peers by their subject: a string is the whole of the one common name, an object every attribute
 * that the subject has. `bySubject('ann', { O: 'Example', OU: ['a', 'b'], CN: 'bob' })`. Compared exactly, case
 * included. Any CA that this side trusts can sign any name.
 *
 * @throws TokenError `ERR_OPTION` for none, and for an empty or misshapen one
 */
export function bySubject(...subjects: readonly (string | SubjectAttributes)[]): PeerMatcher {
  const names = new Set<string>()
  const wholes = new Set<string>()
  for (const subject of listed('bySubject', subjects)) {
    if (typeof subject === 'string' && /^CN=/i.test(subject)) {
      throw refuse('bySubject', 'a common name must be given without CN= before it')
    }
    if (typeof subject === 'string' && subject !== '') names.add(subject)
    else wholes.add(canonical(subjectMap(subject)))
  }
  return peer => {
    // Anyone may write any subject into a certificate that no trusted CA has signed.
    if (!peer?.isAuthorized) return false
    const attributes = attributesOf(peer)
    if (attributes === null) return false
    const [name, second] = attributes.get('CN') ?? []
    // A subject with two common names has no one name.
    return (
      (name !== undefined && second === undefined && names.has(name)) || wholes.has(canonical(attributes))
    )
  }
}

/**
 * Matches trusted peers that have at least one of these subject alternative names: `DNS:…`, `IP Address:…`,
 * `URI:…`, `email:…`. Compared exactly, case included; no wildcards; an IPv6 address in any spelling.
 *
 * @throws TokenError `ERR_OPTION` for none, and for a name of another type
 */
export function bySan(...sans: readonly string[]): PeerMatcher {
  const wanted = new Set(
    listed('bySan', sans).map(san => {
      if (!/^(?:DNS|IP Address|URI|email):./s.test(san)) {
        throw refuse('bySan', 'a name must begin with DNS:, IP Address:, URI: or email:')
      }
      return oneSpelling(san)
    })
  )
  return peer => peer?.isAuthorized === true && peer.sans.some(san => wanted.has(oneSpelling(san)))
}

/** With an empty list a server would refuse everyone without a word. */
function listed<T>(matcher: string, values: readonly T[]): readonly T[] {
  if (values.length === 0) throw refuse(matcher, 'it was given nothing to match')
  return values
}

function fingerprint(text: string): string {
  const hex = String(text).replaceAll(':', '').toUpperCase()
  if (!/^[0-9A-F]{64}$/.test(hex)) {
    throw refuse('byFingerprint', 'a fingerprint must be SHA-256, 64 hex digits with or without colons')
  }
  return hex
}

function attributesOf(peer: Peer): Map<string, string[]> | null {
  const attributes = parseDistinguishedName(peer.subject)
  if (attributes === null) return null
  const byType = new Map<string, string[]>()
  for (const { type, value } of attributes) {
    const values = byType.get(type)
    if (values === undefined) byType.set(type, [value])
    else values.push(value)
  }
  return byType
}

function subjectMap(subject: unknown): Map<string, string[]> {
  const isMap = typeof subject === 'object' && subject !== null && !Array.isArray(subject)
  const entries = isMap ? Object.entries(subject).map(([type, value]) => [type, [value].flat()] as const) : []
  if (entries.length === 0 || entries.some(([, values]) => values.length === 0 || !values.every(isString))) {
    throw refuse('bySubject', 'a subject must be a common name, or an object of strings and lists of strings')
  }
  return new Map(entries as [string, string[]][])
}

/** Equal for equal attributes, whatever the order of their types. */
function canonical(attributes: Map<string, string[]>): string {
  return JSON.stringify([...attributes].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Node prints `IP Address:0:0:0:0:0:0:0:1`; people write `::1`. */
function oneSpelling(san: string): string {
  const address = san.startsWith('IP Address:') ? san.slice('IP Address:'.length) : ''
  return isIPv6(address) ? `IP Address:${new SocketAddress({ address, family: 'ipv6' }).address}` : san
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function refuse(matcher: string, why: string): TokenError {
  return new TokenError('ERR_OPTION', `Cannot match peers with ${matcher}: ${why}`)
}
