import { encodeFrame, FrameKind, NO_SESSION } from '../../lib/wire/frame'

/** The frame of a request without a connection, as a relay sees it. @param body what would be sealed */
export function onceRequest(device: string, body: Uint8Array, key = 'k'): Uint8Array<ArrayBuffer> {
  return encodeFrame({ kind: FrameKind.onceRequest, device, client: '', key, session: NO_SESSION }, body)
}
