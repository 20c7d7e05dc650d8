import { randomId } from '../encoding/random-id'
import { Seeker } from './seeker'

/** What somebody may know of a device that lets them in. */
export interface Notice {
  readonly publicKey: Uint8Array
  readonly online: boolean
}

/** Somebody who asks for the public key of a device, and goes. */
export class LookUp extends Seeker {
  readonly clientId = randomId()
  readonly isOnce = true
  #settle!: (notice: Notice | undefined) => void
  /** Undefined: there is no such device, or the proof is not good. */
  readonly result = new Promise<Notice | undefined>(resolve => {
    this.#settle = resolve
  })

  offline(): void {}
  online(): void {}
  deliver(): void {}
  hold(): void {}
  release(): void {}

  dismissed(): void {
    this.gaveUp()
  }

  protected entered(publicKey: Uint8Array, online: boolean): void {
    this.#settle({ publicKey, online })
    queueMicrotask(() => this.end())
  }

  protected gaveUp(): void {
    this.#settle(undefined)
  }
}
