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
  readonly #frame: Uint8Array
  readonly #timer: NodeJS.Timeout
  #settle!: (result: OnceResult) => void

  constructor(deviceId: string, request: Uint8Array, directory: Directory, context: RelayContext) {
    super(deviceId, directory, context)
    const header = { device: deviceId, client: this.clientId, key: '', session: NO_SESSION }
    this.#frame = encodeFrame({ kind: FrameKind.carried, ...header }, request)
    this.result = new Promise(resolve => {
      this.#settle = resolve
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

  /** One frame can't be held back. */
  hold(): void {}

  release(): void {}

  protected entered(_publicKey: Uint8Array, isOnline: boolean): void {
    // A place answers before it is asked for anything else.
    if (isOnline) queueMicrotask(() => this.place?.take(this, this.#frame))
    else this.offline()
  }

  protected gaveUp(why: NoPlace): void {
    this.finish({ failed: why })
  }
}
