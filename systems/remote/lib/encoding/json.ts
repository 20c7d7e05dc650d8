import { textOf } from './bytes'

/** Arrays and objects within each other. */
export const MAX_DEPTH = 64

/**
 * Reads JSON of a stranger. `__proto__` in it becomes a property like any other, as `JSON.parse` makes it.
 *
 * @throws Error, without a word of the text, when it is no UTF-8, no JSON, or nested deeper than {@link MAX_DEPTH}
 */
export function parseJson(bytes: Uint8Array): unknown {
  if (isDeep(bytes)) throw new Error(`JSON is nested deeper than ${MAX_DEPTH}`)
  let text: string
  try {
    text = textOf(bytes)
  } catch {
    throw new Error('bytes are no UTF-8')
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('text is no JSON')
  }
}

const [QUOTE, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [34, 92, 91, 93, 123, 125]

function isDeep(bytes: Uint8Array): boolean {
  let depth = 0
  let inString = false
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (inString) {
      if (byte === BACKSLASH) index++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > MAX_DEPTH) return true
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
  }
  return false
}

/** An own property of a value that may be anything. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}
