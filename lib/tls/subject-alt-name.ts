/** A value in quotes, as JSON has it, or one without: Node leaves no comma and no quote in that. */
const ENTRY = /([A-Za-z][A-Za-z0-9 ]*):((?:"(?:[^"\\]|\\.)*")|[^",]*)(?:, (?=.)|$)/sy

/** What is given for names that can't be read: none, which is not the same as a certificate without names. */
export const UNREADABLE: readonly string[] = Object.freeze([])

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

function unquoted(value: string): string | null {
  if (!value.startsWith('"')) return value
  try {
    return JSON.parse(value) as string
  } catch {
    return null
  }
}
