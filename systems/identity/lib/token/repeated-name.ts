const LEXEMES = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/**
 * Whether an object in a JSON text names a member twice. `JSON.parse` keeps the last of them, other parsers the first:
 * two programs would read two identities from one signed token (RFC 8725, 2.5).
 *
 * @param json a text that `JSON.parse` takes
 */
export function hasRepeatedName(json: string): boolean {
  const names: Set<string>[] = []
  let text = ''
  for (const [lexeme] of json.matchAll(LEXEMES)) {
    switch (lexeme) {
      case '{':
      case '[':
        names.push(new Set())
        break
      case '}':
      case ']':
        names.pop()
        break
      case ':': {
        // Only a name stands before a colon; two spellings of it are one name.
        const name = JSON.parse(text) as string
        const known = names.at(-1) as Set<string>
        if (known.has(name)) return true
        known.add(name)
        break
      }
      default:
        text = lexeme
    }
  }
  return false
}
