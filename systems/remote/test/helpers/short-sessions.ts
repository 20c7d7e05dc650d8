import type { SealedSession } from '../../lib/sealing/session'

import sessions = require('../../lib/sealing/session')

/** Sessions that are opened from now on, at both ends, bear so many sealed bytes, in place of 2^36. */
export class ShortSessions {
  /** Frames that could not be sealed, since a session was used up before there was another. */
  refused = 0
  readonly #before = sessions.SealedSession

  constructor(maxBytes: number) {
    const counts = this
    class ShortSession extends this.#before {
      constructor(...[place, mode, out, incoming, forth]: ConstructorParameters<typeof SealedSession>) {
        super(place, mode, out, incoming, forth, maxBytes)
      }

      override async seal(plain: Uint8Array): Promise<Uint8Array> {
        try {
          return await super.seal(plain)
        } catch (error) {
          counts.refused++
          throw error
        }
      }
    }
    Object.assign(sessions, { SealedSession: ShortSession })
  }

  /** Further sessions are as they were. */
  end(): void {
    Object.assign(sessions, { SealedSession: this.#before })
  }
}
