import { expect } from 'chai'
import fc from 'fast-check'
import { AbortedTokens } from '../../lib/session/aborted-tokens'

describe('AbortedTokens', () => {
  it('are passed as soon as all tokens before them were', () => {
    const voids = new AbortedTokens()
    voids.add(2)
    voids.add(3)
    expect([voids.pass(0), voids.waiting]).to.deep.equal([0, 2])
    expect([voids.pass(1), voids.waiting]).to.deep.equal([3, 0])
  })

  it('at the very beginning are passed at once', () => {
    const voids = new AbortedTokens()
    voids.add(1)
    expect(voids.pass(0)).to.equal(1)
  })

  it('leave every count at the number of the last token that the application had, and the aborted behind it', () => {
    const tokens = fc.array(fc.boolean(), { maxLength: 40 })
    fc.assert(
      fc.property(tokens, fc.array(fc.nat({ max: 5 }), { maxLength: 20 }), (areVoid, counts) => {
        const voids = new AbortedTokens()
        let arrived = 0
        let given = 0
        let had = 0
        let handed = 0
        for (const count of counts) {
          for (let i = 0; i < 3 && arrived < areVoid.length; i++) {
            arrived++
            if (areVoid[arrived - 1]) voids.add(arrived)
            else given++
            handed = voids.pass(handed)
          }
          const more = Math.min(count, given - had)
          had += more
          handed = voids.pass(handed + more)
          let left = had
          let wanted = 0
          while (wanted < arrived && (areVoid[wanted] || left > 0)) if (!areVoid[wanted++]) left--
          expect(handed).to.equal(wanted)
          expect(arrived - handed - voids.waiting).to.equal(given - had)
        }
      }),
      process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }
    )
  })
})
