import { expect } from 'chai'
import fc from 'fast-check'
import { AbortedTokens } from '../../lib/session/aborted-tokens'

describe('AbortedTokens', () => {
  it('are passed as soon as all tokens before them were', () => {
    const aborted = new AbortedTokens()
    aborted.add(2)
    aborted.add(3)
    expect([aborted.pass(0), aborted.waiting]).to.deep.equal([0, 2])
    expect([aborted.pass(1), aborted.waiting]).to.deep.equal([3, 0])
  })

  it('at the very beginning are passed at once', () => {
    const aborted = new AbortedTokens()
    aborted.add(1)
    expect(aborted.pass(0)).to.equal(1)
  })

  it('are passed at the same cost however many wait', () => {
    const runs = 60_000
    const aborted = new AbortedTokens()
    for (let i = 1; i <= runs; i++) aborted.add(2 * i)
    const before = process.cpuUsage()
    let handed = 0
    for (let i = 0; i < runs; i++) handed = aborted.pass(handed + 1)
    expect([handed, aborted.waiting]).to.deep.equal([2 * runs, 0])
    // To move what is left for each of them takes seconds.
    expect(process.cpuUsage(before).user / 1000).to.be.below(500)
  })

  it('leave every count at the number of the last token that the application had, and the aborted behind it', () => {
    const tokens = fc.array(fc.boolean(), { maxLength: 40 })
    fc.assert(
      fc.property(tokens, fc.array(fc.nat({ max: 5 }), { maxLength: 20 }), (areVoid, counts) => {
        const aborted = new AbortedTokens()
        let arrived = 0
        let given = 0
        let had = 0
        let handed = 0
        for (const count of counts) {
          for (let i = 0; i < 3 && arrived < areVoid.length; i++) {
            arrived++
            if (areVoid[arrived - 1]) aborted.add(arrived)
            else given++
            handed = aborted.pass(handed)
          }
          const more = Math.min(count, given - had)
          had += more
          handed = aborted.pass(handed + more)
          let left = had
          let wanted = 0
          while (wanted < arrived && (areVoid[wanted] || left > 0)) if (!areVoid[wanted++]) left--
          expect(handed).to.equal(wanted)
          expect(arrived - handed - aborted.waiting).to.equal(given - had)
        }
      }),
      process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }
    )
  })
})
