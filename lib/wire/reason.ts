import { TextEncoder } from 'node:util'
import { protocolError } from '../errors/protocol-error'

/** The longest reason, bytes of UTF-8. */
export const MAX_REASON_LENGTH = 512

const UTF_8 = new TextEncoder()

/** The reason in UTF-8, cut at the boundary of a code point: `encodeInto` writes none that does not fit whole. */
export function encodeReason(reason: string): Uint8Array {
  const text = new Uint8Array(Math.min(reason.length * 3, MAX_REASON_LENGTH))
  return text.subarray(0, UTF_8.encodeInto(reason, text).written)
}

/** The reason from `start` to the end; bytes that are no UTF-8 are no error and become U+FFFD. */
export function decodeReason(body: Buffer, start: number, frame: string): string {
  const length = body.length - start
  if (length < 0) {
    throw protocolError(
      'protocol-error',
      `Cannot read ${frame}: n is ${body.length}, at least ${start} are needed`
    )
  }
  if (length > MAX_REASON_LENGTH) {
    throw protocolError(
      'protocol-error',
      `Cannot read ${frame}: its reason has ${length} bytes, at most ${MAX_REASON_LENGTH} are allowed`
    )
  }
  return body.toString('utf8', start)
}
