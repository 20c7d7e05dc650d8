export interface NameAttribute {
  /** The short name (`CN`, `O`, `emailAddress` …), or the OID of one that OpenSSL has no name for. */
  readonly type: string
  readonly value: string
}

/** Stands for names that can't be read, which is not the same as a certificate without names. */
export const UNREADABLE: readonly string[] = Object.freeze([])

/** A type and its value: in quotes as JSON has it, or without, and then with no comma and no quote in it. */
const ENTRY = /([A-Za-z][A-Za-z0-9 ]*):((?:"(?:[^"\\]|\\.)*")|[^",]*)(?:, (?=.)|$)/sy

/** Characters that RFC 2253 escapes stand behind a backslash, as themselves or in hex. */
const ATTRIBUTE = /^([A-Za-z0-9.-]+)=((?:[^\\+"<>;,]|\\[,+"\\<>;# ]|\\[0-9A-F]{2})*)$/su

/**
 * The names in Node's `subjectAltName`, each `TYPE:value` with the value as it stands in the certificate.
 *
 * Node joins them with ", " and writes a value that holds a comma, a quote or a control character as a JSON string
 * (CVE-2021-44532: before that a comma could forge a second name).
 *
 * @returns {@link UNREADABLE} when the text is not of that form: a guess could let someone in
 */
export function parseSubjectAltName(text: string | undefined): readonly string[] {
  const names: string[] = []
  if (text === undefined || text === '') return names
  ENTRY.lastIndex = 0
  while (ENTRY.lastIndex < text.length) {
    const match = ENTRY.exec(text)
    const value = match && unquoted(match[2] as string)
    if (typeof value !== 'string') return UNREADABLE
    names.push(`${(match as RegExpExecArray)[1]}:${value}`)
  }
  return names
}

/**
 * The attributes in Node's `subject` or `issuer`, in the order of the certificate, their values as they stand there.
 *
 * Node writes one relative name a line, joins the attributes of one that has several with " + ", and escapes as RFC
 * 2253 says: `\,` `\+` `\"` `\\` `\<` `\>` `\;`, a `#` or a space at the ends, control characters as `\0A`. So a
 * line break in a value never looks like one between attributes.
 *
 * @returns null when the text is not of that form: a guess could let someone in
 */
export function parseDistinguishedName(text: string): readonly NameAttribute[] | null {
  if (text === '') return []
  const attributes: NameAttribute[] = []
  for (const line of text.split('\n')) {
    // A plus sign in a value has a backslash, not a space, before it.
    for (const part of line.split(' + ')) {
      const match = ATTRIBUTE.exec(part)
      if (match === null) return null
      attributes.push({ type: match[1] as string, value: unescaped(match[2] as string) })
    }
  }
  return attributes
}

/** @returns null for a subject without a common name, with several, or that can't be read */
export function commonNameOf(subject: string): string | null {
  const [name, another] = (parseDistinguishedName(subject) ?? []).filter(({ type }) => type === 'CN')
  return another === undefined ? (name?.value ?? null) : null
}

function unquoted(value: string): string | null {
  if (!value.startsWith('"')) return value
  try {
    return JSON.parse(value) as string
  } catch {
    return null
  }
}

function unescaped(value: string): string {
  return value.replace(/\\(?:([0-9A-F]{2})|(.))/gsu, (_all, hex: string | undefined, character: string) =>
    hex === undefined ? character : String.fromCharCode(Number.parseInt(hex, 16))
  )
}
