import { isLonger, textOf } from './bytes'

/** Arrays and objects within each other. */
export const MAX_DEPTH = 64

/**
 * Reads JSON of a stranger. `__proto__` in it becomes a property like any other, as `JSON.parse` makes it.
 *
 * @throws Error, without a word of the text, when it is no UTF-8, no JSON, or nested deeper than `maxDepth`
 */
export function parseJson(bytes: Uint8Array, maxDepth = MAX_DEPTH): unknown {
  let text: string
  try {
    text = textOf(bytes)
  } catch {
    throw new Error('bytes are no UTF-8')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('text is no JSON')
  }
  if (mayBeDeep(text, maxDepth) && isDeepValue(value, maxDepth))
    throw new Error(`JSON is nested deeper than ${maxDepth}`)
  return value
}

/** Why a value can't be sent. */
export type JsonFault = 'form' | 'length' | 'depth'

/**
 * Writes JSON that is fit to be sent: what `parseJson` reads.
 *
 * @param unfit makes the error that is thrown; `why` goes on after "because"
 * @returns undefined for undefined
 */
export function writeJson(
  value: unknown,
  maxBytes: number,
  unfit: (why: string, fault: JsonFault, cause?: unknown) => Error
): string | undefined {
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(value)
  } catch (error) {
    cause = error
  }
  if (text === undefined) {
    // A function and a symbol become nothing, without an error.
    if (value !== undefined) throw unfit('it is no JSON', 'form', cause)
    return undefined
  }
  if (isLonger(text, maxBytes)) throw unfit(`it is longer than ${maxBytes} bytes as JSON`, 'length')
  if (isDeep(text)) throw unfit(`it is nested deeper than ${MAX_DEPTH}`, 'depth')
  return text
}

const [QUOTE, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [34, 92, 91, 93, 123, 125]

/** Whether a text, if it is JSON, is nested deeper than that. */
export function isDeep(text: string, maxDepth = MAX_DEPTH): boolean {
  if (!mayBeDeep(text, maxDepth)) return false
  let depth = 0
  let inString = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (inString) {
      if (code === BACKSLASH) index++
      else if (code === QUOTE) inString = false
    } else if (code === QUOTE) inString = true
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      if (++depth > maxDepth) return true
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth--
  }
  return false
}

/** Looking for so many brackets takes a fraction of the time of looking at each character. */
function mayBeDeep(text: string, maxDepth: number): boolean {
  // What is that deep opens and closes so often.
  if (text.length < 2 * maxDepth) return false
  let left = maxDepth
  for (const bracket of '[{')
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1))
      if (left-- === 0) return true
  return false
}

function isDeepValue(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (left === 0) return true
  if (Array.isArray(value)) {
    for (const item of value) if (isDeepValue(item, left - 1)) return true
    return false
  }
  for (const name in value) if (isDeepValue((value as Record<string, unknown>)[name], left - 1)) return true
  return false
}

/** An own property of a value that may be anything. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}
