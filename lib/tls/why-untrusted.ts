import type { X509Certificate } from 'node:crypto'
import { escaped } from '../errors/escaped'
import { dateError } from './check-trust'
import { validityOf } from './peer'
import { parseSubjectAltName } from './peer-names'
import type { TrustSources } from './trust-anchors'

/** A peer that is not trusted, and whom this side trusts. */
export interface UntrustedPeer {
  readonly role: 'client' | 'server'
  /** The peer's own certificate first, then what else is known of its chain. */
  readonly chain: readonly X509Certificate[]
  /** Null when only a context of the application knows. */
  readonly trust: Pick<TrustSources, 'cas' | 'lists'> | null
  readonly now: Date
  /** The name that the server was dialled by. */
  readonly host?: string | undefined
}

/** The extended key usage of each role, and its name. */
const USAGE = {
  client: ['1.3.6.1.5.5.7.3.2', 'clientAuth'],
  server: ['1.3.6.1.5.5.7.3.1', 'serverAuth']
} as const

/** A peer chooses the length of what stands in its certificate. */
const SHOWN_LENGTH = 100
const MOST_NAMES = 8
const MOST_AUTHORITIES = 3

type Words = (peer: UntrustedPeer, leaf: X509Certificate, reason: string) => string | null

const WORDS: ReadonlyMap<string, Words> = new Map<string, Words>([
  ['CERT_HAS_EXPIRED', outsideItsDates],
  ['CERT_NOT_YET_VALID', outsideItsDates],
  ['CERT_REVOKED', revoked],
  ['CRL_HAS_EXPIRED', outdatedList],
  ['CRL_NOT_YET_VALID', outdatedList],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', unknownAuthority],
  ['ERR_TLS_CERT_ALTNAME_INVALID', wrongName],
  ['INVALID_PURPOSE', wrongPurpose],
  ['SELF_SIGNED_CERT_IN_CHAIN', unknownAuthority],
  ['UNABLE_TO_GET_CRL', noList],
  ['UNABLE_TO_GET_ISSUER_CERT', noIssuer],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', noIssuer],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', noIssuer],
  // Node has no name for X509_V_ERR_INVALID_CA.
  ['UNSPECIFIED', noAuthority]
])

/**
 * OpenSSL's word for what is wrong with the certificate of a peer, and behind it what a person needs to mend it: which
 * certificate, which name, date or issuer, and what this side has instead.
 *
 * It is for this side alone: a refused peer is told a code.
 */
export function whyUntrusted(reason: string, peer: UntrustedPeer): string {
  const [leaf] = peer.chain
  const words = leaf === undefined ? null : (WORDS.get(reason)?.(peer, leaf, reason) ?? null)
  return words === null ? reason : `${reason}: ${words}`
}

function outsideItsDates(
  { chain, trust, now }: UntrustedPeer,
  leaf: X509Certificate,
  reason: string
): string | null {
  const above = trust?.cas.filter(ca => chain.some(({ issuer }) => issuer === ca.subject)) ?? []
  const wrong = [...chain, ...above].find(one => dateError(validityOf(one), now.getTime()) === reason)
  if (wrong === undefined) return null
  const { notBefore, notAfter } = validityOf(wrong)
  const what = wrong === leaf ? 'it' : `${nameOf(wrong.subject)}, an authority above it,`
  return reason === 'CERT_HAS_EXPIRED'
    ? `${what} ended at ${timeOf(notAfter)}, and the clock of this machine says ${timeOf(now)}: renew it, or set the clock`
    : `${what} holds from ${timeOf(notBefore)} on, and the clock of this machine says ${timeOf(now)}: wait, or set the clock`
}

/** A self-signed certificate came that is not among those that are trusted. */
function unknownAuthority({ chain, trust, role }: UntrustedPeer, leaf: X509Certificate): string {
  const root = chain.find(({ subject, issuer }) => subject === issuer) ?? leaf
  const what =
    root === leaf ? `it is self-signed (SHA-256 ${leaf.fingerprint256})` : `its authority is ${shown(root)}`
  return `${what}, ${comparedWith(trust, role)}`
}

function comparedWith(trust: UntrustedPeer['trust'], role: string): string {
  if (trust === null) return 'which option secureContext does not trust'
  if (trust.cas.length === 0) {
    return `and option ca is not set: set it to the certificate of the authority that signs your ${role}s (ca.crt)`
  }
  const known = some(trust.cas.map(shown), MOST_AUTHORITIES)
  return `which is not in option ca; ca holds ${known}: one of the two sides has the wrong file, or ca needs both`
}

/** The certificate of who has signed is missing. */
function noIssuer({ chain, trust, role }: UntrustedPeer, leaf: X509Certificate): string {
  const last = lastOf(chain, leaf)
  const issuer = nameOf(last.issuer)
  const what =
    last === leaf ? `its issuer ${issuer}` : `${issuer}, the issuer of ${nameOf(last.subject)} above it,`
  const missing = `${what} is neither in ${trust === null ? 'option secureContext' : 'option ca'} nor was it sent`
  if (trust === null) return missing
  if (trust.cas.length === 0) {
    return `${missing}, and option ca is not set: set it to the certificate of the authority that signs your ${role}s (ca.crt)`
  }
  const namesakes = trust.cas.filter(ca => ca.subject === last.issuer)
  if (namesakes.length > 0) {
    const others = some(namesakes.map(shown), MOST_AUTHORITIES)
    return `${missing}: ca holds another one of this name, ${others}, which has not signed it`
  }
  const known = some(trust.cas.map(shown), MOST_AUTHORITIES)
  return `${missing}: ca holds ${known}; add the issuer there, or have the ${role} send it in cert, behind its own certificate`
}

/** The end of the chain that was sent. */
function lastOf(chain: readonly X509Certificate[], leaf: X509Certificate): X509Certificate {
  const left = new Set(chain)
  for (let last = leaf; ; ) {
    left.delete(last)
    const next = [...left].find(one => last.issuer === one.subject && last.checkIssued(one))
    if (next === undefined) return last
    last = next
  }
}

function wrongPurpose({ chain, role }: UntrustedPeer, leaf: X509Certificate): string {
  const [usage, name] = USAGE[role]
  // Node calls the extended key usage `keyUsage`.
  const usagesOf = (one: X509Certificate) => one.keyUsage as readonly string[] | undefined
  const wrong = chain.find(one => usagesOf(one)?.includes(usage) === false)
  if (wrong === undefined) {
    return `it, or an authority above it, is not made for ${role}s (keyUsage, extendedKeyUsage)`
  }
  const what = wrong === leaf ? 'it' : `${nameOf(wrong.subject)}, an authority above it,`
  const has = some((usagesOf(wrong) ?? []).map(usageName), MOST_NAMES)
  return `${what} is not made for ${role}s: its extendedKeyUsage is ${has}, and must have ${name}`
}

function usageName(usage: string): string {
  return Object.values(USAGE).find(([id]) => id === usage)?.[1] ?? usage
}

function wrongName({ host }: UntrustedPeer, leaf: X509Certificate): string {
  const names = parseSubjectAltName(leaf.subjectAltName).map(name =>
    short(name.replace(/^(?:DNS|IP Address):/, ''))
  )
  const made =
    names.length === 0 ? 'it has no names (subjectAltName)' : `it is made for ${some(names, MOST_NAMES)}`
  return (
    `${made}, and not for ${short(host ?? 'localhost')}: dial a name that it has, set servername to one, ` +
    'or make a certificate with this name (token-certs server --host NAME)'
  )
}

function noAuthority({ chain }: UntrustedPeer): string | null {
  const signer = chain.find(
    one => !one.ca && chain.some(other => other !== one && other.issuer === one.subject)
  )
  return signer === undefined
    ? null
    : `${nameOf(signer.subject)}, which has signed it, is no authority (basicConstraints)`
}

function revoked({ chain, trust, now }: UntrustedPeer, leaf: X509Certificate): string | null {
  const wrong = chain.find(one => trust?.lists?.failure([one], now.getTime()) === 'CERT_REVOKED')
  if (wrong === undefined) return null
  const what = wrong === leaf ? 'it' : `${nameOf(wrong.subject)}, an authority above it,`
  return `${what} stands in a list of option crl with its serial number ${wrong.serialNumber}`
}

function outdatedList(
  { chain, trust, now }: UntrustedPeer,
  _leaf: X509Certificate,
  reason: string
): string | null {
  const lists = trust?.lists
  const found = chain.find(one => lists?.failure([one], now.getTime()) === reason)
  const list = found && lists?.validityFor(found)
  if (list === undefined) return null
  const dates =
    reason === 'CRL_HAS_EXPIRED'
      ? `ended at ${timeOf(list.notAfter)}`
      : `holds from ${timeOf(list.notBefore)} on`
  return (
    `the list of ${nameOf(found?.issuer)} in option crl ${dates}, and the clock of this machine says ${timeOf(now)}: ` +
    'make a new list, and give it to reload() or set crl again'
  )
}

function noList({ chain, trust, now }: UntrustedPeer, leaf: X509Certificate): string {
  const without =
    chain.find(one => trust?.lists?.failure([one], now.getTime()) === 'UNABLE_TO_GET_CRL') ?? leaf
  return `option crl holds no list of ${nameOf(without.issuer)}, and needs one of each authority`
}

function shown(authority: X509Certificate): string {
  return `${nameOf(authority.subject)} (SHA-256 ${authority.fingerprint256})`
}

/** Node writes one attribute a line; its types don't know that a name without attributes is undefined. */
function nameOf(name: string | undefined): string {
  return name ? short(name.replaceAll('\n', ', ')) : 'without a name'
}

function short(text: string): string {
  return escaped(text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text)
}

function some(texts: readonly string[], most: number): string {
  const left = texts.length - most
  return left > 0 ? `${texts.slice(0, most).join(', ')} and ${left} more` : texts.join(', ')
}

function timeOf(time: Date | number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime())
    ? 'a date that can not be read'
    : date.toISOString().replace(/\.\d+Z$/, 'Z')
}
