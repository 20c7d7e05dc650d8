/** The length of a frame's header, bytes: an unsigned 32-bit big-endian length. */
export const HEADER_LENGTH = 4

/** The largest token the wire can carry, bytes. The top bit of a length marks a control frame of token/2. */
export const WIRE_MAX_TOKEN_LENGTH = 0x7fff_ffff

/** The top bit of a length: set in the head of a control frame. */
export const CONTROL_BIT = 0x8000_0000

/** The longest control frame, bytes behind its head. */
export const MAX_CONTROL_LENGTH = 1024

/** Longer tokens leave in parts where PART is agreed, so that no control frame waits for more than this many bytes. */
export const SPLIT_ABOVE = 256 * 1024

/** Bytes of a part: with PART and its own header it fills sixteen TLS records exactly. */
export const PART_LENGTH = SPLIT_ABOVE - 9

/** Bytes of the longest last part: a rest within one more TLS record is not worth a write of its own. */
export const MAX_LAST_PART_LENGTH = PART_LENGTH + 16 * 1024

/** The smallest part but the last of a token, bytes. */
export const MIN_PART_LENGTH = 16 * 1024

/** The types of PART, ABORT and REQUEST, which stay in the order of the data. All other control frames are read at once. */
export const TYPE_PART = 0x85
export const TYPE_ABORT = 0x86
export const TYPE_REQUEST = 0x8c

/** The length of each of them, bytes: a head and the type. */
export const MARK_LENGTH = HEADER_LENGTH + 1

/** What ABORT costs of the credit, bytes. */
export const ABORT_COST = 4

/** The protocols by their ALPN names (RFC 7301 §3.1). */
export type ProtocolName = 'token/1' | 'token/2'

/** True for a head that PART, ABORT and REQUEST have: a control frame of one byte. */
export function isMark(head: number): boolean {
  return head === CONTROL_BIT + 1
}

/** What a data frame costs of the credit that WINDOW gives, bytes. */
export function costOf(length: number): number {
  return length + HEADER_LENGTH
}

/** Writes the header of a token of `length` bytes at `offset`. */
export function writeHeader(target: Uint8Array, offset: number, length: number): void {
  target[offset] = length >>> 24
  target[offset + 1] = length >>> 16
  target[offset + 2] = length >>> 8
  target[offset + 3] = length
}

/** Reads the header that stands whole at `offset`; the result is unsigned. */
export function readHeader(source: Uint8Array, offset: number): number {
  return (
    (((source[offset] as number) << 24) |
      ((source[offset + 1] as number) << 16) |
      ((source[offset + 2] as number) << 8) |
      (source[offset + 3] as number)) >>>
    0
  )
}
