import { decodeFrame, type Frame } from '../../lib/wire/frame'

/** For bytes that are a frame. */
export function frameOf(bytes: Uint8Array): Frame {
  return decodeFrame(bytes) as Frame
}
