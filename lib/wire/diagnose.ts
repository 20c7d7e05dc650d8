import { classify } from './first-bytes'
import { HEADER_LENGTH, MAX_CONTROL_LENGTH, readHeader, WIRE_MAX_TOKEN_LENGTH } from './header'

/** Bytes from the first on that are enough for every answer of {@link diagnose}. */
export const DIAGNOSIS_LENGTH = 24

/** A little-endian length is believed up to the default `maxTokenLength`. */
const MAX_LITTLE_ENDIAN = 8 * 1024 * 1024

/** What a protocol begins with, and its name. */
const OPENINGS: readonly (readonly [opening: string, name: string])[] = [
  ['PRI * HTTP/2.0\r\n', 'an HTTP/2 request'],
  ['HTTP/1.', 'an HTTP response'],
  ['SSH-', 'an SSH greeting'],
  ['PROXY ', 'a PROXY protocol v1 header'],
  ['\r\n\r\n\0\r\nQUIT\n', 'a PROXY protocol v2 header'],
  ['220 ', 'an SMTP or FTP greeting'],
  ['220-', 'an SMTP or FTP greeting']
]

/** An array of up to three digits' length: all there is of it in four bytes. */
const REDIS = /^\*\d(?:\r\n|\d[\r\d])/

/** Four characters, which would be a length over 150 MB, or a whole line that is shorter. */
const TEXT = /^(?:[\t\x20-\x7e][\t\r\n\x20-\x7e\x80-\xff]{3}|[\t\x20-\x7e]{0,2}\n)/

/**
 * Names the protocol that a stranger speaks, from its first bytes, for the message of an error: `an HTTP request`.
 * Nothing of the bytes is in the answer.
 *
 * @param firstBytes all bytes from the first on, at least four for most answers; what is behind the first
 * {@link DIAGNOSIS_LENGTH} is not looked at
 * @param expected what should have come: frames, or a TLS handshake
 * @returns null when the bytes may be what was expected, or are of no protocol known here
 */
export function diagnose(firstBytes: Uint8Array, expected: 'frames' | 'tls' = 'frames'): string | null {
  const length = Math.min(firstBytes.length, DIAGNOSIS_LENGTH)
  const bytes = Buffer.from(firstBytes.buffer, firstBytes.byteOffset, length)
  const text = bytes.toString('latin1')
  const record = tlsRecord(bytes)
  if (record !== null) return expected === 'tls' ? null : record
  return (
    named(text) ??
    otherProtocol(bytes) ??
    frame(bytes, expected) ??
    littleEndian(bytes) ??
    (TEXT.test(text) ? 'text without a length before it, as token-server 1.x sends' : null)
  )
}

/** RFC 8446, 5.1: the type, then a version of 3.x. */
function tlsRecord(bytes: Buffer): string | null {
  if (bytes.length < 3 || bytes[1] !== 3 || (bytes[2] as number) > 4) return null
  if (bytes[0] === 0x16) return 'a TLS handshake'
  if (bytes[0] === 0x15) return 'a TLS alert'
  return bytes[0] === 0x17 ? 'TLS application data' : null
}

function named(text: string): string | null {
  for (const [opening, name] of OPENINGS) if (isOpening(text, opening)) return name
  return REDIS.test(text) ? 'a Redis command' : null
}

/** An opening may be cut, but not before the fourth byte: so many has a reader that refuses a length. */
function isOpening(text: string, opening: string): boolean {
  return text.startsWith(opening) || (text.length >= HEADER_LENGTH && opening.startsWith(text))
}

function otherProtocol(bytes: Buffer): string | null {
  const protocol = classify(bytes)
  if (protocol === 'unknown' || (protocol === 'more' && bytes.length < HEADER_LENGTH)) return null
  return protocol === 'mqtt' || bytes[0] === 0x10 ? 'an MQTT CONNECT' : 'an HTTP request'
}

/** A control frame where data is expected, or any frame where TLS is. */
function frame(bytes: Buffer, expected: 'frames' | 'tls'): string | null {
  if (bytes.length < HEADER_LENGTH) return null
  const header = readHeader(bytes, 0)
  if (header > WIRE_MAX_TOKEN_LENGTH) {
    const length = header - WIRE_MAX_TOKEN_LENGTH - 1
    return length >= 1 && length <= MAX_CONTROL_LENGTH ? 'a control frame of token/2' : null
  }
  return expected === 'tls' && bytes[0] === 0 ? 'a token without TLS' : null
}

/** `05 00 00 00`. Three letters and a zero byte are more likely text. */
function littleEndian(bytes: Buffer): string | null {
  if (bytes.length < HEADER_LENGTH || bytes[0] === 0) return null
  const length = bytes.readUInt32LE(0)
  const isText = bytes.subarray(0, 3).every(byte => byte >= 0x20 && byte < 0x7f)
  return length <= MAX_LITTLE_ENDIAN && !isText ? 'a length in little-endian byte order' : null
}
