import { copyOf } from '../encoding/bytes'
import { randomId } from '../encoding/random-id'
import { decodeFrame, encodeFrame, FrameKind, NO_SESSION } from '../wire/frame'
import type { Directory } from './directory'
import type { NoPlace } from './party'
import type { RelayContext } from './relay-context'
import { Seeker } from './seeker'

/** What becomes of a request that keeps no connection. */
export type OnceResult =
  | { readonly answer: Uint8Array }
  /** `unknown-device`: or the proof is not good. `offline`: it may have run, if the device was there for a while. */
  | { readonly failed: NoPlace | 'offline' | 'timeout' | 'malformed' | 'busy' }

/** One sealed request of somebody who keeps no connection, until the device has answered it. */
export class OnceRequest extends Seeker {
  readonly clientId = randomId()
  readonly isOnce = true
  readonly result: Promise<OnceResult>
  readonly #read: () => Promise<Uint8Array>
  readonly #timer: NodeJS.Timeout
  #settle!: (result: OnceResult) => void
  #reject!: (error: unknown) => void

  /** @param read brings what is to be sent, as soon as the device lets this one in */
  constructor(
    deviceId: string,
    read: () => Promise<Uint8Array>,
    directory: Directory,
    context: RelayContext
  ) {
    super(deviceId, directory, context)
    this.#read = read
    this.result = new Promise((resolve, reject) => {
      this.#settle = resolve
      this.#reject = reject
    })
    this.#timer = setTimeout(() => this.finish({ failed: 'timeout' }), context.limits.onceTimeout)
    this.#timer.unref()
  }

  finish(result: OnceResult): void {
    this.end()
    clearTimeout(this.#timer)
    this.#settle(result)
  }

  deliver(bytes: Uint8Array): void {
    const answer = decodeFrame(bytes)?.body
    if (answer === undefined) return
    this.context.counters.onceAnswered++
    this.finish({ answer: copyOf(answer) })
  }

  online(): void {}

  offline(): void {
    this.finish({ failed: 'offline' })
  }

  dismissed(): void {
    this.offline()
  }

  /** Its frame is held back where it is taken. */
  hold(): void {}

  release(): void {}

  protected entered(_publicKey: Uint8Array, isOnline: boolean): void {
    if (isOnline) void this.#carry()
    else this.offline()
  }

  protected gaveUp(why: NoPlace): void {
    this.finish({ failed: why })
  }

  async #carry(): Promise<void> {
    const { deviceId: device, clientId: client } = this
    try {
      const request = await this.#read()
      const frame = request.length <= this.context.limits.maxFrameBytes ? decodeFrame(request) : undefined
      if (frame?.kind !== FrameKind.onceRequest || frame.device !== device) {
        this.finish({ failed: 'malformed' })
        return
      }
      const header = { kind: FrameKind.carried, device, client, key: '', session: NO_SESSION }
      this.place?.take(this, encodeFrame(header, request))
    } catch (error) {
      if (!this.isEnded) this.context.counters.refusedOnce++
      this.#reject(error)
      this.finish({ failed: 'malformed' })
    }
  }
}
