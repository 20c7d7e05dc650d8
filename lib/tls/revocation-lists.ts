import type { X509Certificate } from 'node:crypto'
import { cannotUse } from '../options/checks'
import { dateError } from './check-trust'
import type { Validity } from './peer'

/** What is read of a list of revoked certificates. OpenSSL checks its signature at each handshake. */
interface Crl {
  /** The issuer's name in DER. */
  readonly issuer: string
  readonly notBefore: number
  readonly notAfter: number
  /** Serial numbers in hex, without zeros in front. */
  readonly revoked: ReadonlySet<string>
}

/** Option `crl`: as for Node, each certificate of a path must be covered by a list of its issuer. */
export class RevocationLists {
  readonly #byIssuer = new Map<string, Crl[]>()

  /** @throws TokenError `ERR_OPTION` */
  constructor(ders: readonly Buffer[]) {
    for (const der of ders) {
      const crl = readCrl(der)
      this.#byIssuer.set(crl.issuer, [...(this.#byIssuer.get(crl.issuer) ?? []), crl])
    }
  }

  /** The dates of a list for this certificate; undefined when there is none. */
  validityFor(certificate: X509Certificate): Validity | undefined {
    return this.#byIssuer.get(issuerOf(certificate))?.[0]
  }

  /** Of each issuer the list that ends last. @param cas where the names of the issuers stand */
  newest(cas: readonly X509Certificate[]): (Validity & { readonly issuer: string })[] {
    const names = new Map(cas.map(ca => [subjectOf(ca), ca.subject ?? '']))
    return [...this.#byIssuer].map(([issuer, lists]) => {
      const { notBefore, notAfter } = lists.reduce((one, other) =>
        other.notAfter > one.notAfter ? other : one
      )
      return { issuer: names.get(issuer) ?? '', notBefore, notAfter }
    })
  }

  /** What the lists say against a path, in OpenSSL's words; null when they say nothing. */
  failure(path: readonly X509Certificate[], now: number): string | null {
    for (const certificate of path) {
      const lists = this.#byIssuer.get(issuerOf(certificate))
      if (lists === undefined) return 'UNABLE_TO_GET_CRL'
      // OpenSSL takes the newest of several. To look at all may close too much, and never too little.
      const current = lists.filter(list => dateError(list, now) === null)
      if (current.length === 0) return `CRL_${dateError(lists[0] as Crl, now)?.replace('CERT_', '')}`
      const serial = canonical(certificate.serialNumber)
      if (current.some(({ revoked }) => revoked.has(serial))) return 'CERT_REVOKED'
    }
    return null
  }
}

const TAG = {
  integer: 0x02,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  versionOfCertificate: 0xa0
}

interface Element {
  readonly tag: number
  readonly whole: Buffer
  readonly contents: Buffer
}

/** CertificateList of RFC 5280, 5.1. */
function readCrl(der: Buffer): Crl {
  try {
    const fields = tbsOf(der)
    if (fields[0]?.tag === TAG.integer) fields.shift()
    const [, issuer, thisUpdate, ...rest] = fields
    const hasNext = rest[0]?.tag === TAG.utcTime || rest[0]?.tag === TAG.generalizedTime
    const notAfter = hasNext ? timeIn(rest.shift()) : Number.POSITIVE_INFINITY
    const entries = rest[0]?.tag === TAG.sequence ? elementsOf(rest[0].contents) : []
    const revoked = new Set<string>()
    for (const { contents } of entries) revoked.add(canonical(first(contents).contents.toString('hex')))
    const name = (issuer as Element).whole.toString('latin1')
    return { issuer: name, notBefore: timeIn(thisUpdate), notAfter, revoked }
  } catch {
    throw cannotUse('crl', 'a list of revoked certificates in it can not be read')
  }
}

/** The issuer's name in DER. */
function issuerOf(certificate: X509Certificate): string {
  return fieldOf(certificate, 2)
}

/** The subject's name in DER. */
function subjectOf(certificate: X509Certificate): string {
  return fieldOf(certificate, 4)
}

/** @param index of a field of RFC 5280, 4.1, behind the version */
function fieldOf(certificate: X509Certificate, index: number): string {
  const fields = tbsOf(certificate.raw)
  if (fields[0]?.tag === TAG.versionOfCertificate) fields.shift()
  return (fields[index] as Element).whole.toString('latin1')
}

/** The fields of what is signed, in a certificate or a list. */
function tbsOf(der: Buffer): Element[] {
  return [...elementsOf(first(first(der).contents).contents)]
}

function first(der: Buffer): Element {
  for (const element of elementsOf(der)) return element
  throw new RangeError('it is empty')
}

/** The elements of DER that stand one behind the other. */
function* elementsOf(der: Buffer): Generator<Element> {
  for (let at = 0; at < der.length; ) {
    let start = at + 2
    let length = der[at + 1] ?? Number.NaN
    if (length >= 0x80) {
      const count = length - 0x80
      // It throws for none, for more than six, and for bytes that are not there.
      length = der.readUIntBE(start, count)
      start += count
    }
    const end = start + length
    if (!(end <= der.length)) throw new RangeError('it ends too early')
    yield { tag: der[at] as number, whole: der.subarray(at, end), contents: der.subarray(start, end) }
    at = end
  }
}

/** UTCTime or GeneralizedTime in the forms of RFC 5280, 4.1.2.5: milliseconds since 1970. */
function timeIn(element: Element | undefined): number {
  const text = element?.contents.toString('latin1') ?? ''
  const digits = element?.tag === TAG.utcTime ? `${Number(text.slice(0, 2)) < 50 ? 20 : 19}${text}` : text
  const iso = digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  const time = iso === digits ? Number.NaN : Date.parse(iso)
  if (Number.isNaN(time)) throw new RangeError('a time is not readable')
  return time
}

function canonical(hex: string): string {
  return hex.toUpperCase().replace(/^0+/, '')
}
