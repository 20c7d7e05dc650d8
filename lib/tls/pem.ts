import { X509Certificate } from 'node:crypto'
import { cannotUse } from '../options/checks'

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([^-]*)-----END \1-----/g
const BEGIN = /-----BEGIN ([A-Z0-9 ]{1,40})-----/g

const CERTIFICATES: readonly string[] = ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE']

/** The texts of an option that is one PEM or a list of them; none where it is not set. @throws TokenError `ERR_OPTION` */
export function pemTexts(name: string, option: unknown): readonly string[] {
  return listed(option).map(value => pemText(name, value))
}

/** The values of an option that is one or a list of them; none where it is not set. */
export function listed(option: unknown): readonly unknown[] {
  if (option === undefined || option === null) return []
  return Array.isArray(option) ? option : [option]
}

/** @throws TokenError `ERR_OPTION` */
export function pemText(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
  }
  throw cannotUse(name, 'it is neither a string nor a Buffer')
}

/**
 * All certificates in a PEM text, in its order. Lines may be indented, joined or missing, and anything may stand between the
 * blocks: Node reads less, and is given what was found here, written anew.
 *
 * @throws TokenError `ERR_OPTION` for none at all, and for a block that can't be read
 */
export function certificatesIn(name: string, text: string): X509Certificate[] {
  return blocksIn(name, text, CERTIFICATES, 'certificate').map(der => {
    try {
      return new X509Certificate(der)
    } catch {
      throw cannotUse(name, 'a certificate in it can not be read')
    }
  })
}

/** The lists of revoked certificates in a PEM text, each in DER. @throws TokenError `ERR_OPTION` as for certificates */
export function crlsIn(name: string, text: string): Buffer[] {
  return blocksIn(name, text, ['X509 CRL'], 'list of revoked certificates')
}

export function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

export function labelsIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(BEGIN)].map(([, label]) => label as string))]
}

/** What a text looks like that holds something else than it should. No byte of it is quoted. */
export function looksLike(text: string): string {
  const labels = labelsIn(text)
  if (text.trim() === '') return 'it is empty'
  if (labels.length > 0) return `it holds ${labels.join(' and ')}`
  if (text.includes('\0') && /B\0E\0G\0I\0N/.test(text)) return 'it is UTF-16; PEM is ASCII'
  if (/^0[\x80-\x84]/.test(text) || text.includes('\ufffd')) return 'it is binary (DER?)'
  return 'it is a text without BEGIN (a path?); give what the file holds'
}

function blocksIn(name: string, text: string, labels: readonly string[], what: string): Buffer[] {
  const found = [...text.matchAll(BLOCK)].filter(([, label]) => labels.includes(label as string))
  const begun = [...text.matchAll(BEGIN)].filter(([, label]) => labels.includes(label as string))
  if (begun.length === 0) throw cannotUse(name, `it holds no ${what} (PEM): ${looksLike(text)}`)
  if (found.length < begun.length) throw cannotUse(name, `a ${what} in it has no END line`)
  return found.map(([, , body = '']) => {
    if (body.includes('\\n')) throw cannotUse(name, 'it holds \\n as two characters in the place of newlines')
    const base64 = body.replace(/\s+/g, '')
    const der = Buffer.from(base64, 'base64')
    // Buffer skips what is not base64.
    if (der.toString('base64') !== base64) throw cannotUse(name, `the base64 of a ${what} in it is broken`)
    return der
  })
}
