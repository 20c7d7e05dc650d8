import { isUtf8 } from 'node:buffer'

const KEY = 'user_id'
const OPEN = 0x7b
const NUL = 0

/**
 * The payload with the verified id of its sender as `user_id`, if it is a JSON object; any other payload as it is.
 *
 * The bytes stay as they are when the object has that key once, with the right value. Else its entries keep their text (numbers keep their
 * digits), and `user_id` comes first, as a string. A key that comes twice, or that a parser may take for it (another case, or letters that
 * Unicode folds to these), is taken away as well: parsers disagree on which of several they read.
 *
 * @returns undefined when the payload is no JSON, and a parser that takes more than JSON may read a `user_id` in it: bytes that are no
 * UTF-8, UTF-16, a byte order mark, NaN, comments, text behind the object
 */
export function stampSender(payload: Buffer, id: string): Buffer | undefined {
  if (!payload.includes(OPEN)) return payload
  const text = jsonOf(payload)
  if (text === undefined) return mayNameSender(payload) ? undefined : payload
  if (!startsLikeObject(payload)) return payload
  const entries = entriesOf(text)
  const claims = entries.filter(entry => isTakenForKey(entry.key))
  const only = claims.length === 1 ? claims[0] : undefined
  if (only?.key === KEY && isValue(only.value, id)) return payload
  const kept = entries.filter(entry => !claims.includes(entry)).map(entry => entry.text)
  return Buffer.from(`{${[`"${KEY}":${JSON.stringify(id)}`, ...kept].join(',')}}`)
}

/** The payload as text, if it is JSON. */
function jsonOf(payload: Buffer): string | undefined {
  if (!isUtf8(payload)) return undefined
  const text = payload.toString('utf8')
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  return text
}

/** Whether an object begins in it, in whatever encoding, and behind that stands the key. */
function mayNameSender(payload: Buffer): boolean {
  // What is left of UTF-16 and UTF-32 without its zeros is ASCII where it matters.
  const bytes = payload.includes(NUL) ? withoutZeros(payload) : payload
  const text = bytes.toString('utf8', bytes.indexOf(OPEN))
  const unescaped = text.replace(/\\u([0-9a-f]{4})/gi, (_, code) =>
    String.fromCharCode(Number.parseInt(code, 16))
  )
  return patterns(unescaped).somewhere.test(unescaped)
}

function withoutZeros(payload: Buffer): Buffer {
  return Buffer.from(payload.toString('latin1').replaceAll('\0', ''), 'latin1')
}

interface Patterns {
  readonly whole: RegExp
  /** As a key. */
  readonly somewhere: RegExp
}

const BEYOND_ASCII = /[^\0-\x7f]/
const OF_ASCII = patternsOf([...KEY])
let ofAll: Patterns | undefined

/**
 * Whether some parser takes it for the key: in another case, or with letters that Unicode folds to these. They are compared one by one, for
 * normalizing a text takes seconds when it is long and made for that.
 */
function isTakenForKey(key: string): boolean {
  return patterns(key).whole.test(key)
}

function patterns(text: string): Patterns {
  if (!BEYOND_ASCII.test(text)) return OF_ASCII
  ofAll ??= patternsOf(lettersOf(KEY))
  return ofAll
}

function patternsOf(letters: readonly string[]): Patterns {
  const key = letters.join('')
  return { whole: new RegExp(`^${key}$`, 'iu'), somewhere: new RegExp(`${key}["'\\s]*:`, 'iu') }
}

/** The end of the planes in which there are letters with such forms. */
const LAST = 0x1ffff

/** Of each letter, it and those that Unicode folds to it. */
function lettersOf(key: string): string[] {
  const found = new Map([...key].map(letter => [letter, letter]))
  for (let code = 0x80; code <= LAST; code++) {
    const character = String.fromCodePoint(code)
    const letter = character.normalize('NFKC').toLowerCase()
    const others = found.get(letter)
    if (others !== undefined) found.set(letter, others + character)
  }
  return [...key].map(letter => `[${found.get(letter)}]`)
}

function isValue(text: string, id: string): boolean {
  const value: unknown = JSON.parse(text)
  // A number is compared by its digits: two large numbers may be one double.
  return typeof value === 'string' ? value === id : typeof value === 'number' && text === id
}

function startsLikeObject(payload: Buffer): boolean {
  for (const byte of payload) {
    if (byte === OPEN) return true
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return false
  }
  return false
}

interface Entry {
  readonly key: string
  readonly value: string
  readonly text: string
}

/** The entries of the outermost object of a text that is known to be valid JSON. */
function entriesOf(text: string): Entry[] {
  const entries: Entry[] = []
  let depth = 0
  let start = 0
  let colon = -1
  const finish = (end: number) => {
    if (colon === -1) return // the object is empty
    entries.push({
      key: JSON.parse(text.slice(start, colon)),
      value: text.slice(colon + 1, end).trim(),
      text: text.slice(start, end).trim()
    })
    colon = -1
  }
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at)
    else if (character === '{' || character === '[') {
      if (++depth === 1) start = at + 1
    } else if (character === '}' || character === ']') {
      if (--depth === 0) finish(at)
    } else if (depth === 1 && character === ':') {
      colon = at
    } else if (depth === 1 && character === ',') {
      finish(at)
      start = at + 1
    }
  }
  return entries
}

/** Where the string that opens at `at` closes. */
function endOfString(text: string, at: number): number {
  for (let end = at + 1; ; end++) {
    if (text[end] === '\\') end++
    else if (text[end] === '"') return end
  }
}
