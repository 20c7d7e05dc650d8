import { protocolError } from '../errors/protocol-error'
import { readHeader, writeHeader } from './header'

const HALF = 0x1_0000_0000

/** The upper half of 2⁵³ − 1. */
const HIGHEST_UPPER = 0x1f_ffff

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

/** Writes a count as two halves of 32 bits; a BigInt for each would cost more than the rest of the frame. */
export function writeCount(target: Buffer, offset: number, count: number, field: string): void {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw protocolError('internal-error', `Cannot write ${field}: ${count} is no integer from 0 to 2^53 - 1`)
  }
  writeHeader(target, offset, count < HALF ? 0 : Math.floor(count / HALF))
  writeHeader(target, offset + 4, count >>> 0)
}
