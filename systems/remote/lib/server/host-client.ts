import type { ClientPort } from '../device/device-client'
import { randomId } from '../encoding/random-id'
import type { Link } from '../link/link'
import { type ByeReason, decodeControl, encodeControl } from '../wire/control'
import { decodeFrame, FrameKind } from '../wire/frame'

/** What a listener of a device needs of it; a `DeviceHub` is one. */
export interface HostedDevice {
  readonly deviceId: string
  attach(port: ClientPort): AttachedClient
  /** @returns the frame that answers one which needs no connection, of so many bytes at most */
  once(frame: Uint8Array, maxBytes?: number): Promise<Uint8Array>
}

/** A client, as the device has it. */
export interface AttachedClient {
  receive(frame: Uint8Array): void
  drained(): void
  detached(): void
}

export interface HostClientOptions {
  readonly device: HostedDevice
  /** The static one, base64url. */
  readonly publicKey: string
  /** Milliseconds until a client must have said which device it wants. Default 5,000. */
  readonly joinTimeout?: number
}

const JOIN_TIMEOUT = 5_000

/** Bytes that wait for a client without a session, from which on the device is told that it does not read. */
const MAX_WAITING_BYTES = 16_384

/** What is known of whoever connected. A `Visitor` of the listener is one. */
export interface HostVisitor {
  /** Milliseconds until a key must have been shown. */
  readonly proofTimeout: number
  /** It sends something without a session. @returns false: that was too much */
  mayAsk(): boolean
  /** It has a session. */
  proved(): void
  /** It has none any more. */
  lost(): void
}

/** Lets whoever connected to a device's own listener in: who they are, their key shows. */
export function welcomeClient(
  link: Link,
  visitor: HostVisitor,
  { device, publicKey, joinTimeout = JOIN_TIMEOUT }: HostClientOptions
): void {
  const { deviceId } = device
  let timer = setTimeout(() => leave('malformed'), joinTimeout)
  let isProven = false
  let client: AttachedClient | undefined
  function leave(why: ByeReason | string, retry = true): void {
    clearTimeout(timer)
    link.send(encodeControl({ do: 'bye', why, retry }))
    link.close(why)
    client?.detached()
  }
  function waitForProof(): void {
    timer = setTimeout(() => leave('unauthenticated'), visitor.proofTimeout)
  }
  function prove(): void {
    if (isProven) return
    isProven = true
    clearTimeout(timer)
    link.trust?.()
    visitor.proved()
  }
  link.onFrame = bytes => {
    if (!isProven && !visitor.mayAsk()) {
      leave('too-fast')
      return
    }
    if (client !== undefined) {
      client.receive(bytes)
      return
    }
    const frame = decodeFrame(bytes)
    const message = frame && decodeControl(frame)
    if (message?.do !== 'join') leave('malformed', false)
    else if (message.device !== '' && message.device !== deviceId) leave('unknown-device')
    else {
      clearTimeout(timer)
      waitForProof()
      const clientId = randomId()
      client = device.attach({
        clientId,
        maxFrameBytes: link.maxFrameBytes,
        send: sent => {
          // Sent only to who has shown a key.
          if (sent[1] === FrameKind.accept) prove()
          const isRead = isProven || sent[1] === FrameKind.sealed || link.bufferedBytes < MAX_WAITING_BYTES
          return link.send(sent) && isRead
        },
        lost: () => {
          if (!isProven) return
          isProven = false
          waitForProof()
          visitor.lost()
        },
        close: leave
      })
      link.send(encodeControl({ do: 'welcome', client: clientId, device: deviceId, publicKey, online: true }))
    }
  }
  link.onDrain = () => client?.drained()
  link.onClose = () => {
    clearTimeout(timer)
    client?.detached()
  }
}
