import { type DerReader, TAG } from './der'

/** String types and how to read them; OpenSSL compares these by what they spell, all others byte by byte. */
const SPELLED: Readonly<Record<number, (contents: Buffer) => string>> = {
  12: contents => contents.toString('utf8'),
  19: contents => contents.toString('latin1'),
  20: contents => contents.toString('latin1'),
  22: contents => contents.toString('latin1'),
  26: contents => contents.toString('latin1'),
  28: contents => decode(contents, 4),
  30: contents => decode(contents, 2)
}

/**
 * Reads a distinguished name into a text that is equal where OpenSSL calls two names equal: whatever the string
 * type, the case of ASCII letters and the number of spaces (RFC 5280, 7.1). No two other names have the same text.
 */
export function readName(reader: DerReader): string {
  const names = reader.enter(TAG.sequence)
  let text = ''
  while (!names.isAtEnd) {
    const relative = names.enter(TAG.set)
    const attributes: string[] = []
    while (!relative.isAtEnd) {
      const attribute = relative.enter(TAG.sequence)
      const type = attribute.read(TAG.oid).toString('hex')
      const value = canonical(attribute.readAny())
      attribute.expectEnd()
      // With its length, so that no value can imitate what stands between values.
      attributes.push(`${type}=${value.length}:${value}`)
    }
    text += `${attributes.sort().join('+')};`
  }
  return text
}

function canonical({ tag, contents }: { tag: number; contents: Buffer }): string {
  const spell = SPELLED[tag]
  if (spell === undefined) return `${tag}#${contents.toString('hex')}`
  return spell(contents)
    .replace(/[\t-\r ]+/g, ' ')
    .replace(/^ | $/g, '')
    .replace(/[A-Z]+/g, letters => letters.toLowerCase())
}

function decode(contents: Buffer, width: 2 | 4): string {
  let text = ''
  for (let at = 0; at + width <= contents.length; at += width) {
    const code = contents.readUIntBE(at, width)
    text += code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code)
  }
  return text
}
