import { expect } from 'chai'
import fc from 'fast-check'
import { Session } from '../../lib/session/session'
import { SettledTokens } from '../../lib/session/settled-tokens'

const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

describe('SettledTokens', () => {
  it('count all settled ones without a gap before them, in whichever order they are settled', () => {
    const orders = fc.nat(40).chain(count => {
      const numbers = Array.from({ length: count }, (_, i) => i + 1)
      return fc.shuffledSubarray(numbers, { minLength: count, maxLength: count })
    })
    fc.assert(
      fc.property(orders, order => {
        const tokens = new SettledTokens()
        const settled = new Set<number>()
        let handed = 0
        for (const number of order) {
          handed = tokens.add(number, handed)
          settled.add(number)
          let expected = 0
          while (settled.has(expected + 1)) expected++
          expect(handed).to.equal(expected)
        }
        expect(handed).to.equal(order.length)
      }),
      parameters
    )
  })

  it('are counted by a session also where the application was given those between by a listener', () => {
    // true: given, in order; false: a request, that is settled by itself and whenever that is
    const kinds = fc.array(fc.tuple(fc.boolean(), fc.nat(100)), { maxLength: 30 })
    fc.assert(
      fc.property(kinds, tokens => {
        const session = new Session()
        const asking = tokens.flatMap(([isGiven, when], i) => (isGiven ? [] : [{ number: i + 1, when }]))
        asking.sort((a, b) => a.when - b.when)
        const half = asking.splice(0, asking.length >> 1)
        for (const { number } of half) session.settle(number)
        for (const [i, [isGiven]] of tokens.entries()) if (isGiven) session.given(1, i + 1)
        for (const { number } of asking) session.settle(number)
        expect(session.handed).to.equal(tokens.length)
      }),
      parameters
    )
  })
})
