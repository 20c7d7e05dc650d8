import type { SharedLink } from '../link/shared-link'
import { encodeFrame, type Frame, FrameKind, NO_SESSION } from '../wire/frame'
import type { HostedDevice } from './host-client'

/** Requests that a relay may have brought and that wait for their answers; further ones are not taken. */
const MAX_REQUESTS = 1_000

/** Bytes of answers that wait for a relay that does not read. What is more is not sent: its client asks for it again. */
const MAX_WAITING_BYTES = 67_108_864

/** Answers requests without a connection that a relay brings: they share its connection with the clients that stay. */
export class OncePort {
  readonly #device: HostedDevice
  readonly #link: SharedLink
  readonly #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #requests = 0

  constructor(device: HostedDevice, link: SharedLink) {
    this.#device = device
    this.#link = link
  }

  /** Whoever can't open it has nothing to answer. */
  async take({ device, client, body }: Frame, maxFrameBytes: number): Promise<void> {
    if (this.#requests >= MAX_REQUESTS) return
    this.#requests++
    const header = { kind: FrameKind.carried, device, client, key: '', session: NO_SESSION }
    const overhead = encodeFrame(header, new Uint8Array()).length
    const answer = await this.#device.once(body, maxFrameBytes - overhead).catch(() => undefined)
    this.#requests--
    if (answer === undefined || this.#waitingBytes + answer.length > MAX_WAITING_BYTES) return
    const frame = encodeFrame(header, answer)
    this.#waiting.push(frame)
    this.#waitingBytes += frame.length
    this.drained()
  }

  drained(): void {
    for (let frame = this.#waiting[0]; frame !== undefined; frame = this.#waiting[0]) {
      if (!this.#link.reserve(this, frame.length)) return
      this.#waiting.shift()
      this.#waitingBytes -= frame.length
      const goesOn = this.#link.send(frame, this)
      this.#link.release(frame.length)
      if (!goesOn) return
    }
  }
}
