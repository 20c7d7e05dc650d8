import { expect } from 'chai'
import { Receiver } from '../../lib/receiving/receiver'
import { Sender } from '../../lib/sending/sender'
import { Deliveries } from '../../lib/session/deliveries'
import { Session } from '../../lib/session/session'
import { figures } from '../helpers/figures'

/**
 * Plants one bug after another, each of which a simulation must find.
 *
 * @param first the seed of the first world
 * @param mostWorlds after which the bug must have been found
 * @param run plays one world, and rejects when a promise is broken in it
 */
export function findsPlantedBugs(
  first: number,
  mostWorlds: number,
  run: (seed: number) => Promise<unknown>
): void {
  describe('finds a bug that is planted:', () => {
    plant(
      'a token sent again that the peer has',
      Sender.prototype,
      'rewind',
      rewind =>
        function (this: Sender, received: number) {
          return rewind.call(this, Math.max(0, received - 1))
        }
    )
    plant(
      'a token not sent again that the peer lacks',
      Sender.prototype,
      'rewind',
      rewind =>
        function (this: Sender, received: number) {
          return rewind.call(this, Math.min(received + 1, this.tokensSent))
        }
    )
    plant(
      'half a token left in the queue when the transport is gone',
      Receiver.prototype,
      'restart',
      () =>
        function (this: Receiver) {
          return this.tokens
        }
    )
    plant(
      'a promise kept by what was received instead of handed',
      Session.prototype,
      'request',
      request =>
        function (this: Session) {
          const part = request.call(this)
          return { ...part, handed: part.received }
        }
    )
    plant(
      'a token told not sent that was',
      Deliveries.prototype,
      'end',
      end =>
        function (this: Deliveries, sent, final, cause) {
          end.call(this, Math.max(0, sent - 1), final, cause)
        }
    )
  })

  function plant<T extends object, K extends keyof T>(
    what: string,
    prototype: T,
    name: K,
    wrong: (right: T[K]) => T[K]
  ): void {
    it(what, async function () {
      this.timeout(60_000)
      const right = prototype[name]
      prototype[name] = wrong(right)
      let found: string | null = null
      let seed = first
      try {
        for (let world = 0; world < mostWorlds && found === null; world++, seed++) {
          found = await run(seed).then(
            () => null,
            (error: Error) => error.message
          )
        }
      } finally {
        prototype[name] = right
      }
      figures(`${found}`)
      expect(found).not.to.equal(null)
    })
  }
}
