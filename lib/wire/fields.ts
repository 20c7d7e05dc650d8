import { TextEncoder } from 'node:util'
import { protocolError } from '../errors/token-error'
import { readHeader, writeHeader } from './header'

const HALF = 0x1_0000_0000

/** The upper half of 2⁵³ − 1. */
const HIGHEST_UPPER = 0x1f_ffff

/** Bytes of the longest reason, in UTF-8. */
export const MAX_REASON_LENGTH = 512

const UTF_8 = new TextEncoder()

/**
 * Reads a count: a u64 that every language can hold exactly (docs/wire-format.md, section 2).
 *
 * @param field its frame and name, for the message
 */
export function readCount(source: Buffer, offset: number, field: string): number {
  const upper = readHeader(source, offset)
  if (upper > HIGHEST_UPPER) {
    throw protocolError('protocol-error', `Cannot read ${field}: the count is above 2^53 - 1`)
  }
  return upper * HALF + readHeader(source, offset + 4)
}

/** Writes a count as two halves of 32 bits: a BigInt would cost more than the rest of the frame. */
export function writeCount(target: Buffer, offset: number, count: number, field: string): void {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw protocolError('internal-error', `Cannot write ${field}: ${count} is no integer from 0 to 2^53 - 1`)
  }
  writeHeader(target, offset, count < HALF ? 0 : Math.floor(count / HALF))
  writeHeader(target, offset + 4, count >>> 0)
}

/** The reason in UTF-8, cut between two code points: `encodeInto` writes none that does not fit whole. */
export function encodeReason(reason: string): Uint8Array {
  const text = new Uint8Array(Math.min(reason.length * 3, MAX_REASON_LENGTH))
  return text.subarray(0, UTF_8.encodeInto(reason, text).written)
}

/** The reason from `start` to the end; bytes that are no UTF-8 become U+FFFD. */
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
