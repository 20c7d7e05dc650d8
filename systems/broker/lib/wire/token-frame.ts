/** Frames of the token door: `docs/token-door.md` in code. */

const LENGTH_BYTES = 2
const MOST_HEADER_BYTES = 65_535

/** The longest frame, without its payload. */
export const MOST_FRAME_BYTES = LENGTH_BYTES + MOST_HEADER_BYTES

export interface Frame {
  readonly header: Header
  /** A view of the token that it came in. */
  readonly payload: Buffer
}

/** Its fields are what the other side wrote, and not checked. */
export interface Header {
  readonly type: string
  readonly [field: string]: unknown
}

/** Why bytes are no frame, in words. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

const NOTHING = Buffer.alloc(0)
const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** Fields that are undefined are left out. @throws FrameError for a header above 65,535 bytes */
export function encodeFrame(header: Header, payload: Uint8Array = NOTHING): Buffer {
  const text = JSON.stringify(header)
  const length = Buffer.byteLength(text)
  if (length > MOST_HEADER_BYTES) {
    throw new FrameError(`its header has ${length} bytes, bound ${MOST_HEADER_BYTES}`)
  }
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + length + payload.length)
  frame.writeUInt16BE(length)
  frame.write(text, LENGTH_BYTES)
  frame.set(payload, LENGTH_BYTES + length)
  return frame
}

/** @throws FrameError */
export function decodeFrame(token: Buffer): Frame {
  if (token.length < LENGTH_BYTES) throw new FrameError('it is shorter than 2 bytes')
  const end = LENGTH_BYTES + token.readUInt16BE()
  if (token.length < end) throw new FrameError('it is shorter than its header')
  const header = headerOf(token.subarray(LENGTH_BYTES, end))
  return { header, payload: token.subarray(end) }
}

function headerOf(bytes: Buffer): Header {
  let header: unknown
  try {
    header = JSON.parse(UTF8.decode(bytes))
  } catch {
    throw new FrameError('its header is no JSON in UTF-8')
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new FrameError('its header is no object')
  }
  if (typeof (header as Header).type !== 'string') throw new FrameError('its header has no type')
  return header as Header
}
