import { placeOfCode } from '../codes/invitation-code'
import { RemoteError } from '../errors/remote-error'
import type { KeyRing } from '../keys/key-ring'
import { nodeScrypt } from '../sealing/node-scrypt'
import type { CipherSuite } from '../sealing/suite'

/** Who holds sealed invitations: a relay, or the device's own listener. @returns whether it does */
export type Board = (place: string, sealed: Uint8Array) => boolean | Promise<boolean>

/** Posts each invitation for which a code stands, as soon as the keys have it: its owner's command may have made it. */
export class CodePosts {
  readonly #suite: CipherSuite
  readonly #ring: KeyRing
  readonly #boards: () => readonly Board[]
  readonly #posted = new Set<string>()
  readonly #onChange = () => this.#look()

  /** @param boards those that are there when a code is posted */
  constructor(suite: CipherSuite, ring: KeyRing, boards: () => readonly Board[]) {
    this.#suite = suite
    this.#ring = ring
    this.#boards = boards
    ring.on('change', this.#onChange)
  }

  close(): void {
    this.#ring.off('change', this.#onChange)
  }

  #look(): void {
    const coded = this.#ring.coded()
    const ids = new Set(coded.map(({ id }) => id))
    for (const id of this.#posted) if (!ids.has(id)) this.#posted.delete(id)
    for (const { id, code, url } of coded) {
      if (this.#posted.has(id)) continue
      this.#posted.add(id)
      this.#post(code, url).catch((error: Error) => this.#ring.emit('failed', error))
    }
  }

  async #post(code: string, url: string): Promise<void> {
    const place = await placeOfCode(this.#suite, nodeScrypt, code)
    if (place === undefined) return
    const sealed = await place.seal(url)
    const held = await Promise.all(this.#boards().map(post => post(place.place, sealed)))
    if (!held.includes(true))
      throw new RemoteError('refused', 'Cannot hand out a code: because no relay holds the invitation', {
        reason: 'not-held'
      })
  }
}
