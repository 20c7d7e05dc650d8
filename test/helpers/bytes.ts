import type { FrameWriter } from '../../lib/sending/frame-writer'

/** Bytes from hex; white space and `;` comments have no meaning, as in docs/wire-format.md. */
export function bytes(hex: string): Buffer {
  const digits = hex.replace(/;.*$/gm, '').replace(/\s/g, '')
  if (!/^(?:[0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${hex}`)
  return Buffer.from(digits, 'hex')
}

/** The frame of one token, written without the library. */
export function frame(token: Uint8Array | string): Buffer {
  const payload = Buffer.from(token as Uint8Array)
  const header = Buffer.alloc(4)
  header.writeUInt32BE(payload.length)
  return Buffer.concat([header, payload])
}

export function frames(...tokens: (Uint8Array | string)[]): Buffer {
  return Buffer.concat(tokens.map(frame))
}

/** `length` bytes that differ from place to place, so that a piece in the wrong place shows. */
export function pattern(length: number, seed = 0): Buffer {
  const result = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) result[i] = (i * 7 + (i >>> 8) * 13 + seed) & 0xff
  return result
}

/** All that the writer returns. */
export function drain(writer: FrameWriter): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let chunk = writer.next(); chunk !== null; chunk = writer.next()) chunks.push(chunk)
  return chunks
}
