import { networkOf } from '../quotas/network-of'
import type { Guest } from '../quotas/places'
import type { Directory } from './directory'
import type { NoPlace, Party, Place, Proof } from './party'
import type { RelayContext } from './relay-context'

/**
 * Somebody of this relay who wants to a device:
 *
 *     waiting ── admitted ──▸ in ── lost ──▸ away ── admitted ──▸ in
 *        └─ refused for joinGrace ──▸ ended ◂── refused for joinGrace
 *
 * Waiting is bounded in time and in number, and looks the same whether there is no such device or it does not let this one in.
 */
export abstract class Seeker implements Party, Guest {
  abstract readonly clientId: string
  abstract readonly isOnce: boolean
  readonly deviceId: string
  network = ''
  proof: Proof = {}
  protected readonly context: RelayContext
  readonly #directory: Directory
  /** Asked, or in. */
  #place: Place | undefined
  #hasBeenIn = false
  #isEnded = false
  #grace: NodeJS.Timeout | undefined

  constructor(deviceId: string, directory: Directory, context: RelayContext) {
    this.deviceId = deviceId
    this.#directory = directory
    this.context = context
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  protected get place(): Place | undefined {
    return this.#hasBeenIn ? this.#place : undefined
  }

  /** From here on the time runs that a refusal takes, also while the proof is looked at. */
  begin(address: string | undefined): void {
    this.network = networkOf(address)
    this.#giveUpAfter(this.context.limits.joinGrace)
    this.#directory.wait(this)
  }

  /** Too many wait: which of them gives up earlier depends on nothing that a client could learn of a device by it. */
  displaced(): void {
    this.context.counters.refusedTooManyJoins++
    this.#giveUp('unknown-device')
  }

  /** The proof is there: asks the device's place, now and whenever something changes. */
  seek(): void {
    if (this.#isEnded || this.#place !== undefined) return
    this.#directory.seek(this)
    const place = this.#directory.find(this.deviceId)
    if (place === undefined) return
    this.#place = place
    place.admit(this)
  }

  admitted(publicKey: Uint8Array, isOnline: boolean): void {
    if (this.#isEnded) return
    const isFirst = !this.#hasBeenIn
    this.#hasBeenIn = true
    clearTimeout(this.#grace)
    this.#grace = undefined
    this.#directory.unseek(this)
    this.entered(publicKey, isOnline, isFirst)
  }

  refused(why: NoPlace): void {
    this.#place = undefined
    if (why === 'too-many') this.#giveUp(why)
    // A device that is back says a moment later whom it lets in.
    else if (this.#grace === undefined) this.#giveUpAfter(this.context.limits.joinGrace)
  }

  lost(): void {
    this.#place = undefined
    if (this.#isEnded) return
    this.offline()
    this.seek()
  }

  /** Ends it, and tells the place. */
  end(why?: string): void {
    if (this.#isEnded) return
    this.#isEnded = true
    clearTimeout(this.#grace)
    this.#directory.unseek(this)
    const place = this.#place
    this.#place = undefined
    place?.leave(this, why)
  }

  #giveUpAfter(milliseconds: number): void {
    this.#grace = setTimeout(() => this.#giveUp('unknown-device'), milliseconds)
    this.#grace.unref()
  }

  #giveUp(why: NoPlace): void {
    if (this.#isEnded) return
    if (why === 'unknown-device') this.context.counters.refusedJoins++
    this.end()
    this.gaveUp(why)
  }

  abstract deliver(frame: Uint8Array): void
  abstract online(): void
  abstract offline(): void
  abstract dismissed(why: string): void
  abstract hold(): void
  abstract release(): void
  protected abstract entered(publicKey: Uint8Array, isOnline: boolean, isFirst: boolean): void
  protected abstract gaveUp(why: NoPlace): void
}
