import { randomInt } from 'node:crypto'
import { expect } from 'chai'
import { Receiver } from '../../lib/receiving/receiver'
import { Sender } from '../../lib/sending/sender'
import { Deliveries } from '../../lib/session/deliveries'
import { Session } from '../../lib/session/session'
import { figures, isLong } from '../helpers/figures'
import { runWorlds, STEPS_PER_WORLD } from './run'

const STEPS = Number(process.env.STEPS ?? (isLong ? 10_000_000 : 150_000))

/** Worlds after which a planted bug must have been found: half a minute. */
const MOST_WORLDS = 150

describe('worlds of clients and servers', () => {
  const only = process.env.SEED === undefined ? null : Number(process.env.SEED)
  const first = only ?? randomInt(2 ** 31)

  it(`keeps every promise at each of ${STEPS} steps (SEED=n repeats one world, STEPS=n runs more)`, async function () {
    this.timeout(Math.max(60_000, STEPS))
    const begin = process.cpuUsage()
    const total = await runWorlds(first, only === null ? Math.ceil(STEPS / STEPS_PER_WORLD) : 1)
    const { user, system } = process.cpuUsage(begin)
    figures(`seeds from ${first}: ${JSON.stringify(total)}`)
    figures(`${((total.steps / (user + system)) * 60).toFixed(1)} million steps in a minute of CPU time`)
    expect(total.resumed).to.be.greaterThan(0)
    expect(total.handed).to.be.greaterThan(0)
  })

  it('comes to the same end when a seed is played again', async () => {
    expect(await runWorlds(first, 1)).to.deep.equal(await runWorlds(first, 1))
  })

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
        for (let world = 0; world < MOST_WORLDS && found === null; world++, seed++) {
          found = await runWorlds(seed, 1).then(
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
})
